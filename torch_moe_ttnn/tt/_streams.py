"""Streams and events. A device has one in-order queue, which is its one stream, however many are asked for."""

from contextlib import AbstractContextManager, nullcontext

import torch

from torch_moe_ttnn.tt._devices import DeviceLike, device, index_of


class _OfTT(type):
    """Makes a class of this module the name of those objects of PyTorch's own class that are tt's.

    PyTorch takes its own class only, in places, and no class that is derived from it.
    """

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.__bases__[0]) and instance.device.type == "tt"  # type: ignore[attr-defined]


class Stream(torch.Stream, metaclass=_OfTT):
    """A device's queue, as a ``torch.Stream``. Every stream of a device equals every other one.

    Args:
        device: whose queue; ``None`` is the current device.
        priority: whatever is asked for, a queue is in order.
    """

    def __new__(cls, device: DeviceLike = None, priority: int = 0) -> torch.Stream:  # type: ignore[misc]
        return torch.Stream(device=torch.device("tt", index_of(device)), priority=priority)


class Event(torch.Event, metaclass=_OfTT):
    """A place in a device's queue, as a ``torch.Event``.

    To wait for it is to wait for what was enqueued before it was recorded, and for nothing behind. It raises the errors
    of that, unless more was launched since: then the next wait for the device does.

    Args:
        enable_timing: whether ``elapsed_time`` may be asked. The time is the host's, when the queue came to the event.
            The metal runtime does not know it, and waits for the queue when it records such an event.
        blocking: a wait always lets other threads of the host run.
        interprocess: no event can be sent to another process.

    Raises:
        ValueError: ``interprocess`` is set.
    """

    def __new__(  # type: ignore[misc]
        cls, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> torch.Event:
        if interprocess:
            raise ValueError("expected interprocess=False: an event of a tt device belongs to its process")
        return torch.Event(device=torch.device("tt"), enable_timing=enable_timing)


def current_stream(device: DeviceLike = None) -> torch.Stream:
    """Return the stream of a device."""
    return Stream(device)


def default_stream(device: DeviceLike = None) -> torch.Stream:
    """Return the stream of a device, which is the current one at all times."""
    return Stream(device)


def set_stream(stream: torch.Stream | None) -> None:
    """Make a stream's device this thread's current one: there, the stream is the current one already.

    ``None`` changes nothing.
    """
    if stream is not None:
        torch.accelerator.set_stream(stream)


def stream(stream: torch.Stream | None) -> AbstractContextManager[object]:
    """Make a stream's device the current one within a ``with`` statement; ``None`` changes nothing."""
    if stream is None:
        return nullcontext()
    # Dynamo knows a stream as what it is: a context manager. One that was entered cannot be entered again.
    return stream if torch.compiler.is_compiling() else device(stream.device)
