"""What falls back to the CPU in a program, how often, and what it copies."""

from types import TracebackType
from typing import NamedTuple

from torch_moe_ttnn import _C


class OperatorFallbacks(NamedTuple):
    """What one operator without a kernel for tt did: a row of a ``FallbackReport``."""

    name: str
    """The operator, such as ``"aten::mm"``."""
    calls: int
    """How often it ran on the CPU, errors included."""
    bytes_from_device: int
    """Bytes of its arguments that were copied to the host."""
    bytes_to_device: int
    """Bytes of its results that were copied to the device."""


class FallbackReport:
    """What ``fallback_report`` returns. ``str()`` is a table, with those operators first that copy most."""

    def __init__(self) -> None:
        """Begin where the process began."""
        self._begin: dict[str, OperatorFallbacks] = {}
        self._end: dict[str, OperatorFallbacks] | None = None

    def __enter__(self) -> "FallbackReport":
        """Begin anew, here."""
        self._begin, self._end = _totals(), None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End here."""
        self._end = _totals()

    @property
    def operators(self) -> list[OperatorFallbacks]:
        """A row for each operator that fell back, by bytes, then calls, both descending, then name.

        Until the ``with`` block ends, it is of everything until now.
        """
        end = _totals() if self._end is None else self._end
        rows = [_difference(row, self._begin.get(row.name)) for row in end.values()]
        return sorted(
            (row for row in rows if row.calls > 0),
            key=lambda row: (-row.bytes_from_device - row.bytes_to_device, -row.calls, row.name),
        )

    @property
    def total(self) -> OperatorFallbacks:
        """The sums of all rows, under the name ``"total"``."""
        rows = self.operators
        return OperatorFallbacks(
            "total",
            sum(row.calls for row in rows),
            sum(row.bytes_from_device for row in rows),
            sum(row.bytes_to_device for row in rows),
        )

    def __str__(self) -> str:
        """Return the table, of which the last row is the total."""
        rows = self.operators
        if not rows:
            return "no operator fell back to the CPU"
        cells: list[tuple[str, ...]] = [("operator", "calls", "bytes from device", "bytes to device")]
        cells += [(row.name, *(f"{number:,}" for number in row[1:])) for row in [*rows, self.total]]
        first, *others = (max(map(len, column)) for column in zip(*cells, strict=True))
        return "\n".join(
            "  ".join([name.ljust(first), *(cell.rjust(width) for cell, width in zip(numbers, others, strict=True))])
            for name, *numbers in cells
        )

    __repr__ = __str__


def fallback_report() -> FallbackReport:
    """Report which operators ran on the CPU for want of a kernel for tt, how often, and the bytes they copied.

    As a context manager it reports what happens in its block, on every thread and device; by itself what has happened
    since the process began. Counting is always on: it costs next to nothing beside the copies.

    >>> import torch, torch_moe_ttnn
    >>> torch.tt.set_fallback_mode("silent")
    >>> a = torch.ones(2, 3, device="tt")
    >>> with torch.tt.fallback_report() as report:
    ...     b = a @ a.t()
    >>> print(report)
    operator      calls  bytes from device  bytes to device
    aten::mm.out      1                 64               16
    total             1                 64               16
    """
    return FallbackReport()


def _totals() -> dict[str, OperatorFallbacks]:
    return {name: OperatorFallbacks(name, *numbers) for name, *numbers in _C.tt.fallback_totals()}


def _difference(row: OperatorFallbacks, begin: OperatorFallbacks | None) -> OperatorFallbacks:
    if begin is None:
        return row
    return OperatorFallbacks(row.name, *(now - then for now, then in zip(row[1:], begin[1:], strict=True)))
