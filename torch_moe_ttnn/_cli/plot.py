"""Pictures of a batch, and what all pictures of this project are drawn with: matplotlib, which need not be there."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from torch_moe_ttnn._cli.batch import Batch
from torch_moe_ttnn._cli.route import Run

_PADDING = "0.85"
_INCHES = (12, 3.6)


@contextlib.contextmanager
def drawing(file: Path, columns: int, size: tuple[float, float]) -> Iterator[tuple[Any, Any]]:
    """Draw a row of axes into an SVG file. The same numbers give the same bytes, so that it can be committed.

    Args:
        file: What to write.
        columns: How many axes there are.
        size: Of the picture, in inches.

    Yields:
        matplotlib's figure, and its axes.

    Raises:
        ModuleNotFoundError: there is no matplotlib.
        OSError: the file cannot be written.
    """
    # Only here: who draws nothing needs none.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "torch_moe_ttnn", "font.size": 9}):
        figure = Figure(figsize=size, layout="constrained")
        yield figure, figure.subplots(1, columns, squeeze=False)[0]
        figure.savefig(file, format="svg", metadata={"Date": None})


def draw_batch(file: Path, batch: Batch, runs: list[Run]) -> None:
    """Draw the load of the experts, the map of tokens and experts, and the grouped rows with their padding.

    Args:
        file: What to write, in SVG.
        batch: The choices.
        runs: What the operators made of them.

    Raises:
        ModuleNotFoundError: there is no matplotlib.
        OSError: the file cannot be written.
    """
    outputs: dict[str, Tensor] = {name: output for run in runs for name, output in run.outputs.items()}
    sizes, offsets = outputs["group_sizes"].tolist(), outputs["group_offsets"].tolist()
    weights = outputs["mapping"].float().numpy()
    rows = outputs["grouped_tokens"].numpy()  # which comes with matplotlib
    with drawing(file, 3, _INCHES) as (figure, (load, mapping, grouped)):
        figure.suptitle(batch.description)
        load.bar(range(len(sizes)), sizes, width=1)
        load.set(xlabel="local expert" if batch.options.local_experts is not None else "expert", ylabel="choices")
        # Also where there are no tokens, or no experts.
        extent = (-0.5, max(weights.shape[1], 1) - 0.5, max(weights.shape[0], 1) - 0.5, -0.5)
        style = {"aspect": "auto", "interpolation": "nearest", "cmap": "Blues", "rasterized": True}
        image = mapping.imshow(weights, extent=extent, **style)
        mapping.set(xlabel=load.get_xlabel(), ylabel="token")
        figure.colorbar(image, ax=mapping, label="weight")
        # Behind each group, and behind the last one.
        filled = [begin + size for begin, size in zip(offsets, [*sizes, 0], strict=True)]
        for begin, end in zip(filled, [*offsets[1:], len(rows)], strict=True):
            if begin < end:
                grouped.axvspan(begin - 0.5, end - 0.5, color=_PADDING, linewidth=0)
        (real,) = (rows >= 0).nonzero()
        grouped.plot(real, rows[real], ",", rasterized=True)
        grouped.set(xlabel="grouped row, padding in grey", ylabel="token")
        # As the map has them.
        grouped.set(xlim=(-0.5, max(len(rows), 1) - 0.5), ylim=mapping.get_ylim())
