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


class Batch(NamedTuple):
    """The arguments of both operators, on the CPU, and where they come from."""

    description: str
    selected_experts: Tensor
    routing_weights: Tensor
    num_experts: int


def one_of(option: str, name: str, names: Collection[str]) -> str:
    """Return the name if it is one of those."""
    if name not in names:
        raise InputError(f"{option}: expected one of {', '.join(names)}; got {name}")
    return name


def _or(value: _T | None, default: _T) -> _T:
    return default if value is None else value


def _num_experts(source: str, text: str) -> int:
    if not (text.isdecimal() and len(text) <= 10 and 1 <= int(text) < 2**32):
        raise InputError(f"{source}: expected a number from 1 to 2^32 - 1, got {text[:20]}")
    return int(text)


def _check_memory(source: str, num_tokens: int, top_k: int, num_experts: int) -> None:
    """Refuse what this machine cannot hold, rather than be killed for it."""
    most_bytes_a_weight = 4
    rows = torch_moe_ttnn.padded_num_experts(num_experts)
    routing = 4 * rows + (4 + most_bytes_a_weight) * rows * num_tokens * top_k
    needed = 2 * (num_tokens * num_experts * most_bytes_a_weight + routing)  # the reference's outputs as well
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > available:
        raise InputError(
            f"{source}: expected outputs that fit this machine's memory of {available / 2**30:.1f} GiB twice, "
            f"got {needed / 2 / 2**30:.1f} GiB of them"
        )


def made_up_batch(arguments: argparse.Namespace) -> Batch:
    """Make up the choices that ``--model``, ``--tokens``, ``--distribution`` and ``--seed`` ask for."""
    if arguments.num_experts is not None:
        raise InputError("--num-experts goes with --input; without it, --model names the number of experts")
    name = one_of("--model", _or(arguments.model, DEFAULT_MODEL), MODELS)
    distribution = one_of("--distribution", _or(arguments.distribution, DEFAULT_DISTRIBUTION), DISTRIBUTIONS)
    tokens = _or(arguments.tokens, DEFAULT_TOKENS)
    if not 0 <= tokens < 2**32:
        raise InputError(f"--tokens: expected a number from 0 to 2^32 - 1, got {tokens}")
    seed = _or(arguments.seed, 0)
    if not -(2**63) <= seed < 2**63:
        raise InputError(f"--seed: expected a number of 64 bits, got {seed}")
    model = MODELS[name]
    _check_memory(f"--tokens {tokens}", tokens, model.top_k, model.num_experts)
    description = (
        f"{name}: {model.num_experts} experts, {model.top_k} a token; {tokens} tokens, {distribution}, seed {seed}"
    )
    choices = make_choices(tokens, model.top_k, model.num_experts, distribution=distribution, seed=seed)
    return Batch(description, *choices, model.num_experts)


def recorded_batch(arguments: argparse.Namespace) -> Batch:
    """Read the choices from ``--input``."""
    # Only here: who passes no file does not wait for the import.
    from safetensors import SafetensorError, safe_open

    for option in ("tokens", "seed", "distribution"):
        if getattr(arguments, option) is not None:
            raise InputError(f"--{option} makes up a batch and --input brings one: give one of the two")
    path = arguments.input
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

    if arguments.num_experts is not None:
        num_experts = _num_experts("--num-experts", arguments.num_experts)
    elif arguments.model is not None:
        num_experts = MODELS[one_of("--model", arguments.model, MODELS)].num_experts
    elif recorded is None:
        raise InputError(f"--input {path}: the file's metadata has no num_experts; give --num-experts or --model")
    else:
        num_experts = _num_experts(f"--input {path}: num_experts in the metadata", recorded)
    try:
        # The operators' own words for what is wrong with the choices.
        for operator in (torch.ops.moe.prepare_mapping, torch.ops.moe.prepare_routing):
            operator(ids.to("meta"), weights.to("meta"), num_experts)
        _check_memory(f"--input {path}", ids.shape[0], ids.shape[1], num_experts)
        torch_moe_ttnn.prepare_mapping(ids, weights, num_experts)
    except (IndexError, RuntimeError) as error:
        raise InputError(f"--input {path}: {str(error).splitlines()[0]}") from error
    return Batch(f"{path}: {num_experts} experts, choices {tuple(ids.shape)}", ids, weights, num_experts)
