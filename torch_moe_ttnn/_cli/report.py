"""Text that the command line and the benchmarks print."""

from collections.abc import Sequence

from torch import Tensor

_BARS = "▁▂▃▄▅▆▇█"
_BARS_ASCII = "12345678"
_BARS_A_LINE = 64


def shape_and_dtype(tensor: Tensor) -> str:
    """Return, for example, ``uint32 (1, 128)``."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def duration(seconds: float, digits: str = ".1f") -> str:
    """Return a duration in the unit that suits it, its number in a format such as ``".1f"``."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:{digits}} {unit}"
    return f"{seconds * 1e6:{digits}} us"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns that are as wide as they must be."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table, its columns aligned for those who read the source."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]
    lines = [cells[0], ["-" * width for width in widths], *cells[1:]]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines
    )


def load(counts: Sequence[int], experts: Sequence[int], encoding: str | None) -> str:
    """Draw how many choices went to each expert: a bar an expert, as high as its share of the most loaded one's.

    A dot is an expert without tokens. Where the encoding has no block elements, digits from 1 to 8 stand for them.
    """
    try:
        _BARS.encode(encoding or "ascii")
        bars = _BARS
    except UnicodeEncodeError:
        bars = _BARS_ASCII
    total, most = sum(counts), max(counts)
    drawn = "".join("." if count == 0 else bars[(count * len(bars) - 1) // most] for count in counts)
    summary = [
        ("least", f"expert {experts[counts.index(min(counts))]}", f"{min(counts)}"),
        ("mean", "", f"{total / len(counts):.1f}"),
        ("most", f"expert {experts[counts.index(most)]}", f"{most}"),
    ]
    lines = [f"load of the experts: {total:,} choices over {len(counts)} experts"]
    lines += [f"  {name:<5}  {expert:<10}  {count:>8}" for name, expert, count in summary]
    for first in range(0, len(counts), _BARS_A_LINE):
        last = min(first + _BARS_A_LINE, len(counts)) - 1
        lines.append(f"  {first:>3}-{last:<3}  {drawn[first : last + 1]}")
    return "\n".join(lines)
