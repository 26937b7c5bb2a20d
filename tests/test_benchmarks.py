"""The benchmarks run and print their tables; what they measure is not judged here."""

import importlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from support.checks import assert_same_bits
from torch_moe_ttnn import _C
from torch_moe_ttnn.testing import make_choices

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
OPERATORS = ["`prepare_mapping`", "`prepare_routing`"]


def tables(script, *arguments, **environment):
    """Run a benchmark and return the cells of its tables' rows."""
    process = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        cwd="/",
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    lines = [line.strip("|") for line in process.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")] for line in lines if "--" not in line]


@pytest.mark.any_runtime
def test_cpu():
    rows = tables("cpu.py", "--models", "gpt-oss-120b", "--tokens", "1", "2048", "--seconds", "0.01")
    on_all, on_one, in_full, memory = rows[0:3], rows[3:6], rows[6:11], rows[11:]
    for table in (on_all, on_one):
        assert table[0] == ["operator", "model", "T = 1", "T = 2048"]
        assert [row[:2] for row in table[1:]] == [[operator, "gpt-oss-120b"] for operator in OPERATORS]
        assert all(0 < float(cell.strip("*")) < 1000 for row in table[1:] for cell in row[2:])
    assert [row[0] for row in in_full[1:]] == [OPERATORS[0]] * 2 + [OPERATORS[1]] * 2
    assert [row[:3] for row in memory[1:]] == [["`prepare_routing`", "gpt-oss-120b", "2048"]]


@pytest.mark.any_runtime
def test_grouping():
    rows = tables("grouping.py", "--tokens", "1", "33", "--threads", "1", "--hidden", "64", "--seconds", "0.01")
    grouping, moved = rows[:3], rows[3:]
    assert grouping[0] == ["threads", "E", "T = 1", "T = 33"]
    assert [row[:2] for row in grouping[1:]] == [["1", "128"], ["1", "256"]]
    assert [row[:3] for row in moved[1:]] == [["1", "bfloat16", "64"], ["1", "float32", "64"]]
    cells = [cell for row in grouping[1:] for cell in row[2:]] + [cell for row in moved[1:] for cell in row[3:]]
    assert all(0 < float(cell.strip("*")) < 1000 for cell in cells)


@pytest.mark.any_runtime
@pytest.mark.parametrize("operator", ["prepare_mapping", "prepare_routing", "prepare_grouping"])
def test_plain_pytorch_gives_the_same_outputs(monkeypatch, operator):
    monkeypatch.syspath_prepend(BENCHMARKS)
    arguments = (*make_choices(33, 8, 128), 128)
    plain = getattr(importlib.import_module("_plain"), operator.replace("prepare", "plain"))
    assert_same_bits(plain(*arguments), getattr(torch.ops.moe, operator)(*arguments))


@pytest.mark.any_runtime
def test_alternatives(tmp_path):
    """Without Inductor, which compiles for a minute."""
    drawing = tmp_path / "plot.svg"
    few = ["--models", "gpt-oss-20b", "--tokens", "1", "33", "--ways", "eager", "transformers", "--seconds", "0.01"]
    header, *rows = tables("alternatives.py", *few, "--plot", str(drawing))
    assert header == ["operator", "model", "T", "ours", "eager", "transformers"]
    assert [row[0] for row in rows] == [name for name in [*OPERATORS, "`prepare_grouping`"] for _ in range(2)]
    assert all(0 < float(row[4]) < 1000 for row in rows)
    assert [row[5] != "" for row in rows] == [False] * 4 + [True] * 2
    for text in ("gpt-oss-20b, E = 32, K = 4, threads: 1", "prepare_grouping", "transformers"):
        assert f">{text}<" in drawing.read_text()


@pytest.mark.any_runtime
def test_small_calls():
    _, *rows = tables("small_calls.py", "--models", "gpt-oss-20b", "--tokens", "1", "--seconds", "0.01")
    assert [row[0] for row in rows] == [*OPERATORS, "`prepare_grouping`"]
    assert all(0 < float(row[-1].strip("*")) < 100 for row in rows)


@pytest.mark.any_runtime
def test_layer():
    few = ["--tokens", "1", "--threads", "1", "--batches", "1", "--new-tokens", "2", "--seconds", "0.01"]
    rows = tables("layer.py", *few)
    layers, generated = rows[:5], rows[5:]
    assert [row[1:4] for row in layers[1:]] == [[dtype, "1", "1"] for dtype in ("bfloat16", "float32")] * 2
    assert all(0 < float(cell) < 1000 for row in layers[1:] for cell in row[5:8])
    assert [row[:3] for row in generated[1:]] == [["bfloat16", "1", "1"], ["float32", "1", "1"]]
    assert all(float(cell) > 0 for row in generated[1:] for cell in row[3:])


def test_launch():
    _, *rows = tables("launch.py", "--samples", "3", TORCH_TT_RUNTIME="emulated")
    assert {row[3] for row in rows} == {"`torch.add` on CPU", *OPERATORS, "`prepare_grouping`"}
    assert len(rows) == 12


def test_replay():
    _, *rows = tables("replay.py", "--samples", "3", "--launches", "1", "3", TORCH_TT_RUNTIME="emulated")
    assert [row[:2] for row in rows] == [
        [f"`{name}`", launches] for name in ("prepare_mapping", "prepare_grouping") for launches in ("1", "3")
    ]
    assert all(float(row[-1]) > 0 for row in rows)


@pytest.mark.any_runtime
def test_scaling(tmp_path):
    """By formula; tests/distributed/test_scaling.py has what is counted."""
    file = tmp_path / "choices.safetensors"
    ids, weights = make_choices(64, 8, 128, distribution="zipf")
    save_file({"selected_experts": ids, "routing_weights": weights}, file, metadata={"num_experts": "128"})
    names = ["weights", "rows", "bytes", "winners", "local", "kernels"]
    options = "--devices", "8", "16", "--ranks", "1", "--tokens", "33", "--input", file
    rows = tables("scaling.py", "--tables", *names, *options)
    starts = [index for index, row in enumerate(rows) if row[0] == "model"]
    found = dict(zip(names, ([rows[a:b] for a, b in itertools.pairwise([*starts, None])]), strict=True))
    assert found["weights"][1] == ["deepseek-v3", "1,218.0", "152.2", "76.1"]
    assert ["deepseek-v3", "exchanged", "uniform", "14.0", "15.0"] in found["rows"]
    assert found["rows"][-1] == ["any", "replicated", "any", "14.0", "30.0"]
    assert [row[0] for row in found["rows"] if row[2] == "recorded"] == ["qwen3-235b-a22b"] * 2
    assert len(found["bytes"]) == 1 + 4 * 2
    assert found["winners"][10][:3] == ["gpt-oss-120b", "switch", "uniform, zipf"]
    assert [cell.split(", ")[0] for cell in found["winners"][10][3:]] == ["**0.50**", "**0.25**"]
    assert [row[2].count(",") for row in found["winners"][1:]] == [1] * 3 + [2] * 3 + [1] * 6
    assert len(found["local"]) == 1 + 4
    assert [row[2] for row in found["kernels"][1:]] == ["33"] * 8
    assert all(row[4] == row[6] and 1 <= float(row[7]) < 1.5 for row in found["kernels"][1:])


@pytest.mark.any_runtime
def test_scaling_document():
    """The tables that no CPU has a part in are those in the document."""
    document = (BENCHMARKS.parent / "docs" / "scaling.md").read_text()
    found = tables("scaling.py", "--tables", "weights", "bytes", "local")
    written = [[cell.strip() for cell in line.strip("|").split("|")] for line in document.splitlines()]
    assert len(found) == 3 + 4 + 8 + 4
    assert [row for row in found if row not in written] == []


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("device")


def test_traffic(benchmark):
    """The bytes that kernels move are at least those of the outputs, which they write once."""
    cases = [
        benchmark.Case("prepare_mapping", 33, 4, 128),
        benchmark.Case("prepare_routing", 33, 4, 16),
        benchmark.Case("prepare_grouping", 33, 4, 16, 32, distribution="same"),
        benchmark.Case("permute", 33, 4, 16, hidden=2048),
    ]
    for case, (read, written) in benchmark.traffic_of(cases, "wormhole_b0").items():
        assert read >= case.input_bytes
        assert case.output_bytes <= written < 2 * case.output_bytes


@pytest.mark.chip
@pytest.mark.skipif("TT_METAL_SIMULATOR" not in os.environ, reason="no simulated chip")
def test_clocks(benchmark):
    case = benchmark.Case("prepare_mapping", 32, 4, 128)
    on_all, _ = benchmark.clocks_of([case])
    on_one, chip = benchmark.clocks_of([case], "1x1")
    assert chip.grid == [1, 1]
    assert 0 < on_all[case] < on_one[case]


def test_tables(benchmark):
    """Of made-up clocks: a simulated chip is not everywhere."""
    cases = [*benchmark.GOALS]
    clocks = dict.fromkeys(cases, 1234)
    traffic = {case: (case.input_bytes, case.output_bytes) for case in cases}
    table = benchmark.shapes_table(clocks, traffic, "wormhole_b0").splitlines()
    assert len(table) == 2 + len(cases)
    assert all("| 1,234 " in line and "| 1.00 " in line for line in table[2:])
    assert [line.rstrip(" |").split()[-1] for line in table[2:]].count("bytes") == 10


def test_skew_table(benchmark):
    """The worst of the distributions against the uniform one."""
    clocks = {case: 1000 for shape in benchmark._SKEWED for case in benchmark._skewed(shape)}
    worst = benchmark.Case("prepare_routing", 1024, 8, 128, distribution="zipf")
    lines = benchmark.skew_table(clocks | {worst: 1400}).splitlines()
    assert len(lines) == 2 + len(benchmark._SKEWED)
    assert [line.split()[-2] for line in lines[2:]] == ["1.00"] * 3 + ["1.40", "1.00"]


@pytest.fixture
def routing_plans(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("routing_plans")


def test_every_plan_of_a_routing(routing_plans):
    """Each writes the same, and its steps are those that the sources have clocks for."""
    ids, weights = make_choices(33, 4, 16, id_dtype=torch.uint32)
    arguments = ids.to("tt"), weights.to("tt"), 16
    costs = _C.tt.routing_costs(*arguments)
    assert {kernel for kernel, _ in costs} == {"prepare_routing_few", "prepare_routing_many"}
    for plan, (_, steps) in enumerate(costs):
        assert all(count >= 0 and clocks > 0 for _, count, clocks in steps)
        outputs = _C.tt.prepare_routing_by_plan(*arguments, plan)
        assert_same_bits([output.cpu() for output in outputs], torch.ops.moe.prepare_routing(ids, weights, 16))


@pytest.mark.any_runtime
def test_fit(routing_plans):
    """Made-up launches whose clocks are known sums of steps; one step takes nothing, and one is kept."""
    truth = {("k", "launch"): 900.0, ("k", "row"): 25.0, ("k", "idle"): 0.0, ("k", "read a page"): 45.0}
    counts = [(1, 3, 5, 2), (1, 7, 1, 1), (1, 20, 8, 4), (1, 90, 2, 9), (2, 40, 30, 3)]
    plans = []
    for number, steps in enumerate(counts):
        plan = routing_plans.Plan("k", {name: n for (_, name), n in zip(truth, steps, strict=True)}, 0)
        # What is off pulls the idle step below zero.
        plans.append(plan._replace(clocks=plan.expected(truth) - steps[2] * 0.1 + number % 2))
    fitted = routing_plans.fit(plans, truth | {("k", "launch"): 1.0, ("k", "row"): 1.0})
    assert fitted == pytest.approx(truth, rel=0.01)


@pytest.mark.any_runtime
def test_choices_table(routing_plans):
    """Of two plans, where a model that leaves out rows chooses the one that took twice as long."""
    clocks = {("k", "launch"): 900.0, ("k", "row"): 25.0}
    steps = {"launch": 1, "row": 4}, {"launch": 0.5, "row": 70}
    plans = [routing_plans.Plan("k", dict(counts), taken) for counts, taken in zip(steps, (1000, 2000), strict=True)]
    shape = routing_plans.Shape(8, 2, 16)
    models = {"right": clocks, "wrong": clocks | {("k", "row"): 0.0}}
    table = routing_plans.choices_table({shape: plans}, models)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert cells == [
        ["right", "1", "1", "1", "1.000", "1.00", "8, 2, 16"],
        ["wrong", "1", "0", "0", "2.000", "2.00", "8, 2, 16"],
    ]
    assert " 10.0% " in routing_plans.errors_table(plans[:1], {"off": {("k", "launch"): 800.0, ("k", "row"): 25.0}})


def test_plot(benchmark, tmp_path):
    pytest.importorskip("matplotlib", reason="it comes with the test extra")
    grown = {benchmark.Case(op, *shape): 10 for op in benchmark._OPERATORS for shape in benchmark._GROWTH["T"]}
    chip = benchmark.Launches("Simulated Wormhole", "wormhole_b0", [8, 9], [], 1)
    benchmark.plot(tmp_path / "plot.svg", chip, grown, {1: grown, 72: grown})
    drawn = (tmp_path / "plot.svg").read_text()
    for text in ("Simulated Wormhole", "prepare_mapping", "prepare_routing", "tokens (K = 8, E = 128)"):
        assert f">{text}<" in drawn
