"""The layouts' formulas against what is counted: ranks are started, and compared with the formulas of their choices."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

import _layouts as layouts
from torch_moe_ttnn.testing import Model, make_choices

HERE = Path(__file__).parent
TOKENS = 64
"""Of a rank."""
HIDDEN_SIZE = 64


class Recorded(NamedTuple):
    """Choices from a file."""

    ids: Tensor
    num_experts: int


def read(file: Path) -> Recorded:
    """Read recorded choices, as the command line's ``--input`` takes them, their number of experts in the metadata."""
    with safe_open(file, framework="pt") as opened:
        ids, num_experts = opened.get_tensor("selected_experts"), (opened.metadata() or {}).get("num_experts")
    if num_experts is None:
        sys.exit(f"{file}: expected num_experts in the file's metadata, got none: record it with the file")
    return Recorded(ids, int(num_experts))


def record(file: Path, tokens: int) -> None:
    """Record the choices of a small Qwen3-MoE with random weights, 8 of 128 experts for each of the tokens."""
    example = HERE.parent / "examples" / "qwen3_moe.py"
    run([example, "--tokens", str(-(-tokens // 2)), "--record", file], {})


def make(file: Path, tokens: int, distribution: str) -> None:
    """Make choices up, of as many experts."""
    ids, weights = make_choices(tokens, 8, 128, distribution=distribution)
    save_file({"selected_experts": ids, "routing_weights": weights}, file, metadata={"num_experts": "128"})


def run(arguments: Sequence[object], environment: dict[str, str]) -> None:
    """Run this Python, and end with what it said if it fails."""
    command = [sys.executable, *map(str, arguments)]
    process = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed\n{process.stdout}{process.stderr}")


class Counted(NamedTuple):
    """A layer's bytes that were counted, and by formula of the same choices; lists have a number for each rank."""

    sent: dict[str, list[int]]
    """By layout."""
    sent_by_formula: dict[str, list[float]]
    busiest: int
    """Through the busiest rank, of the exchanged layout."""
    busiest_by_formula: float
    written: dict[str, list[int]]
    """By kernels, by layout."""
    written_by_formula: dict[str, list[int]]
    read: dict[str, list[int]]
    inputs_by_formula: dict[str, list[int]]
    """Which kernels read once or more."""
    ranks_a_token: float
    """That a token's experts are on."""
    ranks_if_uniform: float
    sent_if_uniform: float
    """Expected of a rank, exchanged."""

    def differences(self) -> dict[str, tuple[object, object]]:
        """Return what is not as the formulas say, counted and by formula."""
        pairs = {
            "sent": (self.sent, self.sent_by_formula),
            "through the busiest rank": (self.busiest, self.busiest_by_formula),
            "written by kernels": (self.written, self.written_by_formula),
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def count(files: dict[str, Path], num_ranks: int) -> dict[str, Counted]:
    """Run both layouts on as many processes, for each file of at least R·t recorded tokens, by the files' names."""
    recorded = {name: read(file) for name, file in files.items()}
    for name, (ids, _) in recorded.items():
        if len(ids) < num_ranks * TOKENS:
            sys.exit(f"{files[name]}: expected {num_ranks * TOKENS} tokens for {num_ranks} ranks, got {len(ids)}")
    environment = {"TORCH_TT_RUNTIME": "emulated", "TORCH_TT_FALLBACK": "silent", "OMP_NUM_THREADS": "1"}
    launcher = "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", num_ranks
    with tempfile.TemporaryDirectory() as folder:
        run([*launcher, HERE / "_layouts_rank.py", TOKENS, HIDDEN_SIZE, folder, *files.values()], environment)
        ranks = [json.loads(Path(folder, f"{rank}.json").read_text()) for rank in range(num_ranks)]
    return {name: _compared(recorded[name], [rank[str(file)] for rank in ranks]) for name, file in files.items()}


def _compared(recorded: Recorded, found: list[dict]) -> Counted:
    num_ranks, tokens = len(found), TOKENS
    ids = recorded.ids[: num_ranks * tokens].reshape(num_ranks, tokens, -1)
    model = Model(recorded.num_experts, ids.shape[2], HIDDEN_SIZE)
    placement = layouts.consecutive(model.num_experts, num_ranks)
    rows = layouts.rows_of(ids, placement)
    if_uniform = layouts.expected_rows(model, tokens, layouts.uniform_loads(model.num_experts), placement)

    def of_ranks(key: str) -> dict[str, list]:
        return {layout: [rank[layout][key] for rank in found] for layout in ("exchanged", "replicated")}

    calls = of_ranks("calls")
    # Ranks wait for each other in every call.
    busiest = sum(
        max(max(sent, received) for _, sent, received in of_call) for of_call in zip(*calls["exchanged"], strict=True)
    )
    launches = {
        "exchanged": [layouts.exchanged_cases(model, tokens)] * num_ranks,
        "replicated": [layouts.replicated_cases(model, num_ranks * tokens, len(held)) for held in placement],
    }
    inputs = {name: [sum(case.input_bytes for case in cases) for cases in each] for name, each in launches.items()}
    for rank, held in enumerate(placement):
        inputs["replicated"][rank] += layouts.ID_BYTES * len(held)
    return Counted(
        {name: [sum(sent for _, sent, _ in rank) for rank in ranks] for name, ranks in calls.items()},
        {
            "exchanged": layouts.exchanged_bytes(model, rows).tolist(),
            "replicated": [layouts.replicated_bytes(model, tokens, num_ranks)] * num_ranks,
        },
        busiest,
        layouts.busiest_exchanged_bytes(model, rows),
        of_ranks("written"),
        {name: [sum(case.output_bytes for case in cases) for cases in each] for name, each in launches.items()},
        of_ranks("read"),
        inputs,
        layouts.distinct_rows_of(ids, placement).sum().item() / (num_ranks * tokens),
        layouts.expected_devices(model, placement),
        layouts.exchanged_bytes(model, if_uniform).mean().item(),
    )
