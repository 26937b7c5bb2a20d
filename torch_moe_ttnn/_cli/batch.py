"""The batch that the command line routes: made up, or recorded."""

import argparse
import os
from collections.abc import Collection
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

import torch_moe_ttnn
from torch_moe_ttnn.testing import DISTRIBUTIONS, MODELS, make_choices

_T = TypeVar("_T")

DEFAULT_MODEL = "qwen3-30b-a3b"
DEFAULT_TOKENS = 1024
DEFAULT_DISTRIBUTION = "uniform"


class InputError(Exception):
    """What is wrong with the arguments, in one line."""


class Options(NamedTuple):
    """The operators' options."""

    local_experts: Tensor | None
    max_tokens: int | None
    alignment: int


class Batch(NamedTuple):
    """A router's choices, on the CPU, what the operators are to do with them, and where they come from."""

    description: str
    selected_experts: Tensor
    routing_weights: Tensor
    num_experts: int
    hidden_size: int
    options: Options


def one_of(option: str, name: str, names: Collection[str]) -> str:
    """Return the name if it is one of those."""
    if name not in names:
        raise InputError(f"{option}: expected one of {', '.join(names)}; got {name}")
    return name


def checked_seed(seed: int) -> int:
    """Return the seed if PyTorch takes it."""
    if not -(2**63) <= seed < 2**63:
        raise InputError(f"--seed: expected a number of 64 bits, got {seed}")
    return seed


def _or(value: _T | None, default: _T) -> _T:
    return default if value is None else value


def _num_experts(source: str, text: str) -> int:
    if not (text.isdecimal() and len(text) <= 10 and 1 <= int(text) < 2**32):
        raise InputError(f"{source}: expected a number from 1 to 2^32 - 1, got {text[:20]}")
    return int(text)


def _check_memory(source: str, num_tokens: int, top_k: int, num_experts: int, hidden_size: int, o: Options) -> None:
    """Refuse what this machine cannot hold, rather than be killed for it."""
    most_bytes_a_number = 4
    choices = num_tokens * top_k
    num_rows = num_experts if o.local_experts is None else len(o.local_experts)
    width = choices if o.max_tokens is None else o.max_tokens
    padded_rows = torch_moe_ttnn.padded_num_experts(max(num_rows, 1))
    routing = (4 + most_bytes_a_number) * padded_rows * width
    grouped = choices + num_rows * (o.alignment - 1)
    hidden = (2 * num_tokens + grouped) * hidden_size
    # The reference's outputs as well.
    needed = 2 * (routing + most_bytes_a_number * (num_tokens * num_rows + hidden))
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > available:
        raise InputError(
            f"{source}: expected outputs that fit this machine's memory of {available / 2**30:.1f} GiB twice, "
            f"got {needed / 2 / 2**30:.1f} GiB of them"
        )


def _options(arguments: argparse.Namespace) -> Options:
    local_experts = None
    if arguments.local_experts is not None:
        try:
            local_experts = torch.tensor([int(expert) for expert in arguments.local_experts.split(",")])
        except (ValueError, RuntimeError):
            message = f"--local-experts: expected ids separated by commas, got {arguments.local_experts}"
            raise InputError(message) from None
    return Options(local_experts, arguments.max_tokens, _or(arguments.alignment, 1))


def _described(description: str, arguments: argparse.Namespace) -> str:
    options = {name: getattr(arguments, name) for name in Options._fields}
    given = (f"{name.replace('_', ' ')} {value}" for name, value in options.items() if value is not None)
    return "; ".join((description, *given))


def _checked(source: str, batch: Batch) -> Batch:
    """Return the batch; what is wrong with it is said in the operators' own words."""
    ids, weights, options = batch.selected_experts, batch.routing_weights, batch.options
    local = options.local_experts
    try:
        torch.ops.moe.prepare_routing(
            ids.to("meta"),
            weights.to("meta"),
            batch.num_experts,
            local_experts=None if local is None else local.to("meta"),
            max_tokens=options.max_tokens,
        )
        _check_memory(source, ids.shape[0], ids.shape[1], batch.num_experts, batch.hidden_size, options)
        torch_moe_ttnn.prepare_grouping(ids, weights, batch.num_experts, **options._asdict())
    except (IndexError, RuntimeError) as error:
        raise InputError(f"{source}: {str(error).splitlines()[0]}") from error
    return batch


def made_up_batch(arguments: argparse.Namespace) -> Batch:
    """Make up the choices that ``--model``, ``--tokens``, ``--distribution`` and ``--seed`` ask for."""
    if arguments.num_experts is not None:
        raise InputError("--num-experts goes with --input; without it, --model names the number of experts")
    name = one_of("--model", _or(arguments.model, DEFAULT_MODEL), MODELS)
    distribution = one_of("--distribution", _or(arguments.distribution, DEFAULT_DISTRIBUTION), DISTRIBUTIONS)
    tokens = _or(arguments.tokens, DEFAULT_TOKENS)
    if not 0 <= tokens < 2**32:
        raise InputError(f"--tokens: expected a number from 0 to 2^32 - 1, got {tokens}")
    seed = checked_seed(_or(arguments.seed, 0))
    model = MODELS[name]
    options = _options(arguments)
    _check_memory(f"--tokens {tokens}", tokens, model.top_k, model.num_experts, model.hidden_size, options)
    description = (
        f"{name}: {model.num_experts} experts, {model.top_k} a token; {tokens} tokens, {distribution}, seed {seed}"
    )
    choices = make_choices(tokens, model.top_k, model.num_experts, distribution=distribution, seed=seed)
    description = _described(description, arguments)
    return _checked("options", Batch(description, *choices, model.num_experts, model.hidden_size, options))


def recorded_batch(arguments: argparse.Namespace) -> Batch:
    """Read the choices from ``--input``."""
    # Only here: who passes no file does not wait for the import.
    from safetensors import SafetensorError, safe_open

    for option in ("tokens", "seed", "distribution"):
        if getattr(arguments, option) is not None:
            raise InputError(f"--{option} makes up a batch and --input brings one: give one of the two")
    path = arguments.input
    if path.exists() and not path.is_file():
        # A folder, or a pipe, at which safetensors would wait for ever: it maps the file into memory.
        raise InputError(f"--input {path}: expected a file, which a folder or a pipe is not")
    try:
        with safe_open(path, framework="pt") as file:
            missing = {"selected_experts", "routing_weights"} - set(file.keys())
            if missing:
                raise InputError(
                    f"--input {path}: expected tensors selected_experts and routing_weights, "
                    f"missing {' and '.join(sorted(missing))}"
                )
            ids, weights = file.get_tensor("selected_experts"), file.get_tensor("routing_weights")
            recorded = (file.metadata() or {}).get("num_experts")
    except (OSError, SafetensorError) as error:
        raise InputError(f"--input {path}: {error}") from error

    model = None if arguments.model is None else MODELS[one_of("--model", arguments.model, MODELS)]
    if arguments.num_experts is not None:
        num_experts = _num_experts("--num-experts", arguments.num_experts)
    elif model is not None:
        num_experts = model.num_experts
    elif recorded is None:
        raise InputError(f"--input {path}: the file's metadata has no num_experts; give --num-experts or --model")
    else:
        num_experts = _num_experts(f"--input {path}: num_experts in the metadata", recorded)
    description = _described(f"{path}: {num_experts} experts, choices {tuple(ids.shape)}", arguments)
    hidden_size = (model or MODELS[DEFAULT_MODEL]).hidden_size
    return _checked(f"--input {path}", Batch(description, ids, weights, num_experts, hidden_size, _options(arguments)))
