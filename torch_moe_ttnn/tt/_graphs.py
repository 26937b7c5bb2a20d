"""Graphs: launches that are captured once and replayed with one call, under ``torch.cuda``'s names."""

from contextlib import ExitStack
from typing import Literal

import torch

from torch_moe_ttnn import _C
from torch_moe_ttnn.tt._devices import device
from torch_moe_ttnn.tt._streams import stream as stream_context

if hasattr(torch.accelerator, "Graph"):
    Graph = torch.accelerator.Graph
    """PyTorch's own: ``capture_begin``, ``capture_end``, ``replay`` and ``reset``, as ``CUDAGraph`` has them."""
else:

    class Graph:  # type: ignore[no-redef]
        """What torch before 2.13 has no place for."""

        def __init__(self) -> None:
            """Raise NotImplementedError."""
            raise NotImplementedError(f"expected torch 2.13 or newer for torch.tt.Graph, got {torch.__version__}")


def is_current_stream_capturing() -> bool:
    """Return whether this thread captures a graph on its current device. Opens none."""
    return _C.tt.is_capturing(torch.accelerator.current_device_index())


class graph:  # noqa: N801 - the name that torch.cuda gives it
    """Captures what this thread launches on the current device within a ``with`` statement, as ``torch.cuda.graph``.

    Nothing runs until ``tt_graph.replay()``, which launches all of it again, on the same memory: new inputs are copied
    into the tensors that the capture read, and its outputs are those of the last replay. Run what is to be captured
    once before. Only launches can be captured: those of ``moe``'s operators that have kernels, on contiguous tensors
    that are not empty. What needs the host, as a copy, a fallback or a wait, raises an error and ends the capture.
    Where the statement raises, the graph stays empty.

    A graph keeps the memory that it reads and writes, also that of tensors which were deleted, until ``reset()`` or its
    own end. Memory that is freed within the capture is not used again within it.

    Args:
        tt_graph: a graph that holds nothing yet.
        pool: whatever is given, a graph's memory is its own.
        stream: whose device to capture on; ``None`` is the current one. A device has one stream.
        capture_error_mode: whatever is asked for, a capture is of this thread's launches, and other threads use the
            device as ever. A backward pass cannot while it lasts: autograd runs it on a thread of its own.

    Raises:
        RuntimeError: something else than a launch was to be captured; the statement names it. ``tt_graph`` was captured
            already. This thread captures another graph on the device.
        IndexError: an operator that ran before found an id out of range. Those of a replay are raised by the next wait
            of the thread that replayed it.
    """

    def __init__(
        self,
        tt_graph: Graph,
        pool: tuple[int, int] | None = None,
        stream: torch.Stream | None = None,
        capture_error_mode: Literal["default", "global", "thread_local", "relaxed"] = "default",
    ) -> None:
        self._graph = tt_graph
        self._stream = stream

    def __enter__(self) -> None:
        with ExitStack() as stack:
            # Whatever device becomes the current one within, the capture ends as it began.
            stack.enter_context(stream_context(self._stream) if self._stream is not None else device(None))
            self._graph.__enter__()
            self._stack = stack.pop_all()

    def __exit__(self, exception_type: type[BaseException] | None, *exception: object) -> None:
        with self._stack:
            if exception_type is None:
                self._graph.capture_end()
            else:
                self._graph.reset()
