"""Records what the routers of a model choose, in files that ``python -m torch_moe_ttnn --input`` reads."""

import contextlib
import inspect
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["ChoiceRecorder", "Choices", "record_choices"]

# What Hugging Face's experts take after the hidden states; the second pair is gpt-oss's.
_NAMES = (["top_k_index", "top_k_weights"], ["router_indices", "routing_weights"])


class Choices(NamedTuple):
    """The choices of one layer's router, on the CPU."""

    selected_experts: Tensor
    routing_weights: Tensor


Choices.selected_experts.__doc__ = "(T, K): the ids, with the tokens of all calls in the order of the calls."
Choices.routing_weights.__doc__ = "(T, K): their weights."


class ChoiceRecorder:
    """What :func:`record_choices` yields: the choices of each layer, by its name in the model."""

    def __init__(self, experts: dict[str, nn.Module]) -> None:
        self._experts = experts
        self._calls: dict[str, list[Choices]] = {name: [] for name in experts}

    @property
    def layers(self) -> list[str]:
        """The names of the modules that hold experts, as ``model.named_modules()`` has them and in its order."""
        return list(self._experts)

    def choices(self, layer: int | str) -> Choices:
        """Return the choices of a layer so far.

        Args:
            layer: A name in :attr:`layers`, or its index there.

        Raises:
            RuntimeError: there is no such layer, or it was not called.
        """
        name = self._name(layer)
        calls = self._calls[name]
        if not calls:
            raise RuntimeError(
                f"torch_moe_ttnn.record_choices: expected a call of {name} to record, got none: run the model in the "
                "context, and without torch.compile, which may leave hooks out"
            )
        return Choices(*(torch.cat(tensors) for tensors in zip(*calls, strict=True)))

    def save(self, path: str | os.PathLike[str], layer: int | str = 0) -> None:
        """Write the choices of a layer so far to a file, which ``python -m torch_moe_ttnn --input`` reads.

        Args:
            path: Of the file, in the format of safetensors: the tensors ``selected_experts`` and ``routing_weights``,
                and in the metadata the layer's name and, where its module knows it, ``num_experts``.
            layer: A name in :attr:`layers`, or its index there.

        Raises:
            RuntimeError: there is no such layer, or it was not called.
        """
        # Only here: who saves nothing does not wait for the import.
        from safetensors.torch import save_file

        name = self._name(layer)
        metadata = {"layer": name}
        experts = self._experts[name]
        num_experts = getattr(experts, "num_experts", None)
        # Where transformers has divided the experts among ranks, it is the number of this rank's; ids are of all.
        if num_experts is not None and not getattr(experts, "_is_expert_parallel", False):
            metadata["num_experts"] = str(num_experts)
        save_file(self.choices(name)._asdict(), path, metadata)

    def _name(self, layer: int | str) -> str:
        if layer in self._experts:
            return str(layer)
        if isinstance(layer, int) and -len(self.layers) <= layer < len(self.layers):
            return self.layers[layer]
        raise RuntimeError(
            f"torch_moe_ttnn.record_choices: expected a layer from 0 to {len(self.layers) - 1} or one of "
            f"{', '.join(self.layers)}; got {layer!r}"
        )

    def _record(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # A backward pass calls what gradient checkpoints compute again; ModuleTracker of PyTorch asks so too.
        if torch._C._current_graph_task_id() != -1:
            return
        parameters = _parameters(self._experts[name])
        given = dict(zip(parameters, args, strict=False)) | kwargs
        # A copy, for the model may write to its tensors afterwards.
        copies = (given[parameter].detach().to("cpu", copy=True) for parameter in parameters[1:3])
        self._calls[name].append(Choices(*copies))


@contextlib.contextmanager
def record_choices(model: nn.Module) -> Iterator[ChoiceRecorder]:
    """Record what the routers of a model choose while the context is open.

    Layers are the modules whose ``forward`` takes ``(hidden_states, top_k_index, top_k_weights)``, as the experts of
    Hugging Face's models do, whatever computes them; of such modules in each other, as in an ``ExpertParallel``, the
    outer ones. Choices are copied to the CPU at each call, which waits for a device. What a backward pass computes
    again, of gradient checkpoints, is not recorded again.

    Args:
        model: Any module with such modules in it. What ``torch.compile`` compiled before may call no hooks.

    Yields:
        A :class:`ChoiceRecorder`, which keeps what it has after the context too.

    Raises:
        RuntimeError: no module takes such arguments.

    Example:
        >>> with torch_moe_ttnn.record_choices(model) as recorder:  # doctest: +SKIP
        ...     model(input_ids)
        >>> recorder.save("choices.safetensors", layer=0)  # doctest: +SKIP
    """
    experts: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        # Parents come first. What is inside experts gets what they make of the router's choices.
        is_inside = any(outer == "" or name.startswith(f"{outer}.") for outer in experts)
        if not is_inside and _parameters(module)[1:3] in _NAMES:
            experts[name] = module
    if not experts:
        raise RuntimeError(
            "torch_moe_ttnn.record_choices: expected a model with modules whose forward takes (hidden_states, "
            f"{', '.join(_NAMES[0])}), as the experts of transformers 5 do; got {type(model).__name__} without one"
        )
    recorder = ChoiceRecorder(experts)
    with contextlib.ExitStack() as hooks:
        for name, module in experts.items():

            def record(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], name: str = name) -> None:
                recorder._record(name, args, kwargs)

            hooks.enter_context(module.register_forward_pre_hook(record, with_kwargs=True))
        yield recorder


def _parameters(module: nn.Module) -> list[str]:
    """Return the names of what a module's forward takes; transformers wraps it and keeps its signature."""
    return list(inspect.signature(module.forward).parameters)
