"""Compiled functions of launches alone, as graphs: ``torch.compile(mode="reduce-overhead")``."""

import operator
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from torch_moe_ttnn.tt._devices import device
from torch_moe_ttnn.tt._graphs import Graph, is_current_stream_capturing

# Those that a kernel serves. unpermute and grouped_linear run by way of the host.
_LAUNCHED = {f"moe.{name}.default" for name in ("prepare_mapping", "prepare_routing", "prepare_grouping", "permute")}

# A loop's `outputs = compiled(inputs)` has the last outputs while it makes the next ones.
_GRAPHS_OF_INPUTS = 2

# Sets of inputs of one compiled function.
_MOST_INPUTS = 8


def holds_only_launches(graph_module: torch.fx.GraphModule) -> bool:
    """Return whether a graph has operators that are launches, arithmetic of sizes and nothing else."""
    results = set()
    for node in graph_module.graph.nodes:
        if node.op == "call_function":
            if isinstance(node.meta.get("example_value"), int | torch.SymInt):
                continue
            is_launch = isinstance(node.target, torch._ops.OpOverload) and str(node.target) in _LAUNCHED
            if not is_launch and node.target is not operator.getitem:
                return False
            results.add(node)
        elif node.op == "output":
            if not all(output in results for output in node.args[0]):
                return False
        elif node.op != "placeholder":
            return False
    return bool(results)


class Replayed:
    """Calls a function of launches alone; from the second call with the same tensors on, by replaying a graph.

    The same tensors are those of the same memory, which a caller has written new values to. Outputs are never
    overwritten: as long as the caller has those of a graph, in whatever tensor, the function is called without it.
    """

    def __init__(self, function: Callable[..., Sequence[torch.Tensor]]) -> None:
        self._function = function
        self._of_inputs: OrderedDict[tuple[object, ...], _Graphs] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, *inputs: object) -> Sequence[torch.Tensor]:
        """Return what the function does."""
        tensors = [value for value in inputs if isinstance(value, torch.Tensor)]
        # Within a capture, the function is a part of it.
        if not _can_be_captured(tensors) or is_current_stream_capturing():
            return self._function(*inputs)
        key = (torch.is_inference_mode_enabled(), *map(_key, inputs))
        with self._lock:
            graphs = self._of_inputs.get(key)
            if graphs is not None and not graphs.is_dead():
                self._of_inputs.move_to_end(key)
                outputs = graphs.replay(self._function, inputs)
                if outputs is not None:
                    return outputs
            else:
                # Programs are built by this call, which a capture cannot do. The memory of tensors that are gone goes
                # back.
                self._of_inputs = OrderedDict((k, v) for k, v in self._of_inputs.items() if not v.is_dead())
                self._of_inputs[key] = _Graphs(tensors)
                if len(self._of_inputs) > _MOST_INPUTS:
                    self._of_inputs.popitem(last=False)
        return self._function(*inputs)


class _Graphs:
    """The graphs of one set of inputs."""

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        self._device = tensors[0].device
        self._storages = [StorageWeakRef(tensor.untyped_storage()) for tensor in tensors]  # type: ignore[no-untyped-call]
        self._captured: list[_Captured] = []
        self._may_capture = True

    def is_dead(self) -> bool:
        """Return whether a tensor's memory is no longer the caller's."""
        return any(storage.expired() for storage in self._storages)  # type: ignore[no-untyped-call]

    def replay(
        self, function: Callable[..., Sequence[torch.Tensor]], inputs: Sequence[object]
    ) -> Sequence[torch.Tensor] | None:
        """Return the outputs of a replay; ``None`` where the outputs of every graph are in use."""
        free = next((captured for captured in self._captured if not captured.is_in_use()), None)
        if free is None and self._may_capture:
            free = self._capture(function, inputs)
        return None if free is None else free.replay()

    def _capture(self, function: Callable[..., Sequence[torch.Tensor]], inputs: Sequence[object]) -> "_Captured | None":
        with device(self._device):
            try:
                captured = _Captured(function, inputs)
            except RuntimeError as error:
                # An error that has another reason comes again without a graph.
                self._may_capture = False
                warnings.warn(
                    f"a compiled function runs without a graph, though mode is reduce-overhead: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )
                return None
        self._captured.append(captured)
        self._may_capture = len(self._captured) < _GRAPHS_OF_INPUTS
        return captured


class _Captured:
    """A graph and the outputs that it writes."""

    def __init__(self, function: Callable[..., Sequence[torch.Tensor]], inputs: Sequence[object]) -> None:
        self._graph = Graph()
        # Not torch.tt.graph, which waits for what was launched before.
        self._graph.capture_begin()
        try:
            self._outputs = tuple(function(*inputs))
        except BaseException:
            self._graph.reset()
            raise
        self._graph.capture_end()
        self._users = self._count_users()

    def _count_users(self) -> list[int]:
        return [torch._C._storage_Use_Count(output.untyped_storage()._cdata) for output in self._outputs]

    def is_in_use(self) -> bool:
        """Return whether the caller has a tensor on the outputs' memory."""
        return self._count_users() != self._users

    def replay(self) -> Sequence[torch.Tensor]:
        """Launch, and return new tensors on the outputs' memory."""
        self._graph.replay()
        return tuple(output.detach() for output in self._outputs)


def _can_be_captured(tensors: Sequence[torch.Tensor]) -> bool:
    """Return whether the function's operators launch on these, and autograd does not look on."""
    return bool(tensors) and all(
        tensor.device == tensors[0].device
        and tensor.device.type == "tt"
        and tensor.numel() > 0
        and tensor.is_contiguous()
        and not (tensor.requires_grad and torch.is_grad_enabled())
        for tensor in tensors
    )


def _key(value: object) -> object:
    if not isinstance(value, torch.Tensor):
        return value
    storage = value.untyped_storage()
    return storage._cdata, storage.data_ptr(), value.storage_offset(), value.shape, value.stride(), value.dtype
