"""`python -m torch_moe_ttnn`."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import torch_moe_ttnn
from support.choices import ID_DTYPES
from torch_moe_ttnn import padded_num_experts
from torch_moe_ttnn._cli import devices, doctor, report, route
from torch_moe_ttnn._cli import main as command_line
from torch_moe_ttnn._cli.progress import progress
from torch_moe_ttnn.testing import MODELS, make_choices, reference

OPERATORS = ["prepare_mapping", "prepare_routing", "prepare_grouping", "permute", "unpermute"]


@pytest.fixture(autouse=True)
def short_timing(monkeypatch):
    monkeypatch.setattr(route, "_TIMING_SECONDS", 0.01)


def run(capsys, *arguments) -> str:
    """Run it, expecting success, and return what it printed."""
    assert command_line.main([str(argument) for argument in arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def mistake(capsys, *arguments) -> str:
    """Run it, expecting a mistake in the arguments, and return the one line it says."""
    with pytest.raises(SystemExit) as exited:
        command_line.main([str(argument) for argument in arguments])
    assert exited.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def program(*arguments, code="", **environment) -> subprocess.CompletedProcess:
    """Run the command line in a process of its own, after some code, on the emulated device unless told otherwise."""
    code = f"import sys, torch_moe_ttnn._cli.main as command_line\n{code}\nsys.exit(command_line.program())"
    variables = {"TORCH_TT_RUNTIME": "emulated", "TORCH_TT_EMULATED_DEVICES": "1"} | environment
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=300)


def test_as_a_program():
    """On the emulated device: a simulator that has run for long says so to stderr."""
    process = subprocess.run(
        [sys.executable, "-m", "torch_moe_ttnn", "--tokens", "32"],
        env=os.environ | {"TORCH_TT_RUNTIME": "emulated"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert process.stderr == ""
    assert f"torch {torch.__version__}" in process.stdout
    assert re.search(r"^devices: .*cpu", process.stdout, re.MULTILINE)
    assert "qwen3-30b-a3b: 128 experts, 8 a token; 32 tokens, uniform, seed 0" in process.stdout


@pytest.mark.any_runtime
class TestProgress:
    def test_on_a_terminal(self, monkeypatch, capsys):
        """What runs, and where; a line that is gone before the results are printed."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        assert command_line.main(["--device", "cpu", "--tokens", "3"]) == 0
        said = capsys.readouterr().err
        assert [line[3:] for line in said.split("\r")[1:]] == [
            *(f"{number} of 5: {name} on cpu" for number, name in enumerate(OPERATORS, start=1)),
            "",
        ]

    def test_elsewhere(self, capsys):
        """Items come, and nothing is said."""
        assert list(progress([1, 2], str)) == [1, 2]
        assert capsys.readouterr() == ("", "")

    def test_a_line_for_each_item_that_goes_away(self, monkeypatch, capsys):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        with pytest.raises(ZeroDivisionError):
            _ = [1 / item for item in progress([1, 0], "item {}".format)]
        clear = "\r\x1b[K"
        assert capsys.readouterr().err == f"{clear}1 of 2: item 1{clear}2 of 2: item 0{clear}"


@pytest.mark.any_runtime
@pytest.mark.parametrize("model", MODELS)
def test_models(capsys, device, model):
    printed = run(capsys, "--model", model, "--tokens", 16, "--device", device)
    experts, top_k, hidden_size = MODELS[model]
    rows = padded_num_experts(experts)
    mapping = re.search(r"^prepare_mapping .*", printed, re.MULTILINE).group()
    assert f"bfloat16 (16, {experts})" in mapping
    assert f" {16 * experts * 2:,} " in mapping
    routing = re.search(r"^prepare_routing .*", printed, re.MULTILINE).group()
    assert f"uint32 (1, {rows}), uint32 ({rows}, {16 * top_k}), bfloat16 ({rows}, {16 * top_k})" in routing
    assert f" {rows * 4 + rows * 16 * top_k * 6:,} " in routing
    for operator in OPERATORS:
        (line,) = re.findall(rf"^{operator} .*", printed, re.MULTILINE)
        assert line.split()[1] == str(device)
        assert re.search(r"[\d.]+ (s|ms|us) +yes$", line)
    assert f"bfloat16 ({16 * top_k}, {hidden_size})" in printed
    assert f"{16 * top_k:,} choices over {experts} experts" in printed


@pytest.mark.any_runtime
@pytest.mark.parametrize("distribution", ["uniform", "zipf", "same", "padded"])
def test_distributions(capsys, distribution):
    assert f"64 tokens, {distribution}, seed 3" in run(
        capsys, "--distribution", distribution, "--seed", 3, "--tokens", 64
    )


def test_every_device_by_default(capsys):
    printed = run(capsys, "--tokens", 16)
    rows = re.findall(r"^(\w+) +(\w+) .* yes$", printed, re.MULTILINE)
    assert rows == [(name, device) for name in OPERATORS for device in devices.available()]


def test_options(capsys):
    printed = run(
        capsys,
        *("--tokens", 100, "--device", "cpu"),
        *("--local-experts", "7,0,5", "--max-tokens", 6, "--alignment", 16),
    )
    assert "seed 0; local experts 7,0,5; max tokens 6; alignment 16\n" in printed
    assert "bfloat16 (100, 3)" in printed
    assert "uint32 (1, 32), uint32 (32, 6), bfloat16 (32, 6)" in printed
    assert "int32 (3,), int32 (4,), int32 (64,), bfloat16 (64,), int32 (100, 8)" in printed
    assert re.search(r"choices over 3 experts\n +least +expert [750] ", printed)


def test_what_tt_is(capsys):
    """A card's owner sees whether the card works."""
    printed = run(capsys, "--device", "tt", "--tokens", 4)
    (line,) = re.findall("^devices: tt: (.*)$", printed, re.MULTILINE)
    assert line == devices.in_words(devices.description("tt"))
    assert {"emulated": "emulated in this process", "simulated": "simulated by /", "card": "a card"}[
        devices.kind()
    ] in line
    assert re.search("^TT-Metalium: (not built in; |[0-9.]+, from /|an unknown release, from /)", printed, re.MULTILINE)


@pytest.mark.any_runtime
def test_the_emulated_device_is_named():
    assert "\ndevices: cpu; tt: Wormhole, emulated in this process, 8x9 cores\n" in program("--tokens", 4).stdout
    several = program("--tokens", 4, "--device", "tt:1", TORCH_TT_EMULATED_DEVICES="3").stdout
    assert "\ndevices: tt:1: Wormhole, emulated in this process, 8x9 cores, one of 3\n" in several


def test_one_of_several_devices(capsys):
    last = f"tt:{torch.tt.device_count() - 1}"
    printed = run(capsys, "--device", last, "--tokens", 4)
    assert {line.split()[1] for line in re.findall("^.* yes$", printed, re.MULTILINE)} == {last}
    assert "--device: expected one of cpu, tt, tt:0" in mistake(capsys, "--device", "tt:64")


def test_the_times_wait_for_the_device_that_runs(capsys, monkeypatch):
    """Which need not be the current one."""
    waited, wait = [], torch.tt.synchronize

    def synchronize(device):
        waited.append(str(device))
        wait(device)

    monkeypatch.setattr(torch.tt, "synchronize", synchronize)
    last = f"tt:{torch.tt.device_count() - 1}"
    run(capsys, "--device", last, "--tokens", 4)
    assert set(waited) == {last}


MISTAKES = {
    "TORCH_TT_RUNTIME": "expected 'metal' or 'emulated', got 'banana'",
    "TORCH_TT_GRID": "expected columns and rows of worker cores",
    "TORCH_TT_EMULATED_ARCH": "expected 'wormhole_b0' or 'blackhole'",
    "TORCH_TT_EMULATED_DEVICES": "expected a number of devices",
    "TORCH_TT_EMULATED_DRAM_SIZE": "expected a number of bytes",
    "TORCH_TT_FALLBACK": "expected 'silent' or 'warn' or 'error'",
}


@pytest.mark.any_runtime
@pytest.mark.parametrize("variable", MISTAKES)
def test_mistakes_in_the_environment(variable):
    """They are told, in the library's words; without tt they do no harm."""
    told = program("--tokens", 4, **{variable: "banana"})
    assert (told.returncode, told.stdout) == (2, "")
    (line,) = told.stderr.splitlines()
    assert line.startswith(f"python -m torch_moe_ttnn: {variable}: ")
    assert MISTAKES[variable] in line
    assert program("--tokens", 4, "--device", "cpu", **{variable: "banana"}).returncode == 0


def test_version(capsys):
    line = run(capsys, "--version")
    assert line.startswith(f"torch_moe_ttnn {torch_moe_ttnn.__version__}, built with torch {torch.__version__}; TT-")
    assert line.count("\n") == 1


@pytest.mark.any_runtime
def test_json():
    process = program("--json", "--tokens", 40, "--local-experts", "7,0,5", "--max-tokens", 6)
    assert (process.returncode, process.stderr) == (0, "")
    document = json.loads(process.stdout)
    assert (document["format"], document["version"], document["equal"]) == ("torch_moe_ttnn-batch", 1, True)
    assert document["software"]["torch"] == torch.__version__
    cpu, tt = document["devices"]
    assert cpu == {"name": "cpu", "kind": "cpu", "threads": torch.get_num_threads()}
    assert (tt["kind"], tt["chip"], tt["grid"]) == ("emulated", "Wormhole", [8, 9])
    batch = document["batch"]
    assert [batch[name] for name in ("tokens", "top_k", "num_experts")] == [40, 8, 128]
    assert [batch[name] for name in ("local_experts", "max_tokens", "alignment")] == [[7, 0, 5], 6, 1]
    assert [(r["operator"], r["device"]) for r in document["runs"]] == [
        (o, d) for o in OPERATORS for d in ("cpu", "tt")
    ]
    assert {run["operator"] for run in document["runs"] if run["device"] != run["runs_on"]} == {"unpermute"}
    for run_ in document["runs"]:
        assert run_["difference"] is None
        assert run_["median_seconds"] > 0
    (mapping, *_) = document["runs"]
    assert mapping["outputs"] == [{"name": "mapping", "dtype": "bfloat16", "shape": [40, 3], "bytes": 240}]
    assert len(document["choices_of_experts"]) == 3


def test_json_of_what_differs(capsys, monkeypatch):
    monkeypatch.setattr(reference, "prepare_mapping", lambda *arguments, **options: torch.zeros(4, 128).bfloat16())
    assert command_line.main(["--json", "--tokens", "4", "--device", "cpu"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert not document["equal"]
    assert [run["operator"] for run in document["runs"] if run["difference"]] == ["prepare_mapping"]


@pytest.mark.any_runtime
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        ("ZeroDivisionError('of a test')", 3, "ZeroDivisionError: of a test"),
        ("NotImplementedError('of a test')", 3, "NotImplementedError: of a test"),
        ("KeyboardInterrupt", 130, ""),
    ],
)
def test_exit_status_where_the_program_fails(error, status, said):
    """It is not 1, which says that an output differs."""
    code = f"def route(*arguments): raise {error}\ncommand_line.route = route"
    process = program("--tokens", 4, code=code)
    assert process.returncode == status
    assert (process.stderr.splitlines() or [""])[-1] == said


@pytest.mark.any_runtime
@pytest.mark.parametrize("arguments", [[], ["--json"], ["--version"]], ids=" ".join)
def test_nobody_reads(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "torch_moe_ttnn", "--tokens", "4", "--device", "cpu", *arguments]
    process = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=300)
    os.close(writing)
    assert (process.returncode, process.stderr) == (141, "")


@pytest.mark.any_runtime
def test_what_libraries_log_is_not_on_standard_output():
    """TT-Metalium and its simulator log to descriptor 1."""
    code = """
import os
made_up = command_line.made_up_batch
def noisy(arguments):
    os.write(1, b"noise")
    return made_up(arguments)
command_line.made_up_batch = noisy
"""
    process = program("--tokens", 4, "--device", "cpu", code=code)
    assert process.stdout.startswith("torch_moe_ttnn ")
    assert "noise" not in process.stdout
    assert "noise" in process.stderr


class TestPlot:
    """The picture of a batch."""

    pytestmark = pytest.mark.any_runtime

    @pytest.fixture(autouse=True)
    def _matplotlib(self):
        pytest.importorskip("matplotlib", reason="it comes with the test extra")

    @pytest.mark.parametrize(
        "options",
        [[], ["--alignment", 32], ["--local-experts", "7,0,5"], ["--tokens", 0], ["--distribution", "padded"]],
        ids=lambda options: " ".join(map(str, options)),
    )
    def test_a_batch(self, capsys, tmp_path, options):
        for name in ("one.svg", "another.svg"):
            run(capsys, "--device", "cpu", "--tokens", 50, "--plot", tmp_path / name, *options)
        drawn = (tmp_path / "one.svg").read_text()
        for word in ("choices", "token", "weight", "grouped row, padding in grey", "qwen3-30b-a3b: 128 experts"):
            assert f">{word}" in drawn
        # It can be committed.
        assert drawn == (tmp_path / "another.svg").read_text()

    def test_padding(self, tmp_path, monkeypatch):
        """It is drawn behind each group and behind the last one, and nowhere else."""
        from matplotlib.axes import Axes

        spans, axvspan = [], Axes.axvspan

        def noted(axes, begin, end, **style):
            spans.append((begin + 0.5, end + 0.5))
            return axvspan(axes, begin, end, **style)

        monkeypatch.setattr(Axes, "axvspan", noted)
        arguments = ["--tokens", "40", "--alignment", "8", "--device", "cpu", "--plot", str(tmp_path / "a.svg")]
        assert command_line.main(arguments) == 0
        choices = make_choices(40, 8, 128)
        rows = reference.prepare_grouping(*choices, 128, alignment=8).grouped_tokens
        padding = [row for begin, end in spans for row in range(int(begin), int(end))]
        assert padding == (rows == -1).nonzero().flatten().tolist()

    def test_mistakes(self, capsys, tmp_path, monkeypatch):
        few = ("--tokens", 4, "--device", "cpu", "--plot")
        assert "--plot: expected a name that ends in .svg, got a.png" in mistake(capsys, *few, "a.png")
        command = [str(argument) for argument in (*few, tmp_path / "none" / "a.svg")]
        with pytest.raises(SystemExit, match="2"):
            command_line.main(command)
        assert capsys.readouterr().err.endswith("a.svg: No such file or directory\n")
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(SystemExit, match="2"):
            command_line.main(command)
        assert capsys.readouterr().err.endswith("pip install matplotlib\n")


class TestDoctor:
    """What is installed, which devices there are and why others are not."""

    pytestmark = pytest.mark.any_runtime

    def test_words(self):
        process = program("doctor", TORCH_TT_BANANA="1")
        assert (process.returncode, process.stderr) == (0, "")
        lines = process.stdout.splitlines()
        assert f"  torch: {torch.__version__}" in lines
        assert f"  library: {torch_moe_ttnn.library_path()}" in lines
        assert "  TORCH_TT_BANANA=1 (unknown, and does nothing)" in lines
        assert "  TORCH_TT_RUNTIME=emulated" in lines
        at = lines.index("runtime emulated works")
        wormhole = "Wormhole, emulated in this process, 8x9 cores"
        assert lines[at + 1 : at + 3] == [f"  {wormhole}", "  by way of the host: unpermute"]
        assert lines[-1] == f"tt works: {wormhole}"

    def test_json(self):
        document = json.loads(program("doctor", "--json").stdout)
        assert (document["format"], document["version"]) == ("torch_moe_ttnn-doctor", 1)
        assert list(document["runtimes"]) == ["metal", "emulated"]
        assert document["tt"] == document["runtimes"]["emulated"]
        assert (document["tt"]["works"], document["tt"]["reason"]) == (True, "")

    @pytest.mark.skipif("TT_METAL_SIMULATOR" in os.environ, reason="there is a simulated chip")
    def test_a_runtime_that_does_not_work(self):
        process = program("doctor", TORCH_TT_RUNTIME="metal")
        assert process.returncode == 1
        assert "runtime emulated works" in process.stdout
        assert re.search(
            "^runtime metal does not work\n  (not built in|.*finds no Tenstorrent device)", process.stdout, re.M
        )
        assert process.stdout.splitlines()[-1].startswith("tt does not work: ")

    def test_a_mistake(self):
        process = program("doctor", TORCH_TT_GRID="banana")
        assert process.returncode == 1
        assert process.stdout.splitlines()[-1].startswith("tt does not work: TORCH_TT_GRID: expected columns and rows")

    def test_a_process_that_dies(self, monkeypatch, tmp_path):
        (tmp_path / "sitecustomize.py").write_text("import os\nif '--json' in os.sys.argv: os.abort()\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        assert doctor.examine()["tt"]["reason"] == "the process ended by SIGABRT"

    def test_variables(self):
        """Those that the library reads."""
        read = {
            name
            for file in (Path(__file__).parents[1] / "csrc").glob("**/*.*")
            for name in re.findall(r'"(TORCH_TT_\w+)"', file.read_text())
        }
        assert set(doctor.VARIABLES) == read

    def test_other_options(self, capsys):
        assert "--tokens is of a batch" in mistake(capsys, "doctor", "--tokens", 3)


def test_no_tokens(capsys):
    assert "bfloat16 (0, 128)" in run(capsys, "--tokens", 0)


CHANGED = {
    "prepare_mapping": "mapping",
    "prepare_routing": "routed_token_weights",
    "prepare_grouping": "positions",
    "permute": "permuted",
    "unpermute": "sums",
}


@pytest.mark.parametrize(("changed", "output"), CHANGED.items(), ids=CHANGED.keys())
def test_exit_status_where_something_differs(capsys, monkeypatch, changed, output):
    right = getattr(reference, changed)

    def wrong(*arguments, **options):
        outputs = right(*arguments, **options)
        (outputs if isinstance(outputs, torch.Tensor) else getattr(outputs, output))[3, 5] = 7
        return outputs

    monkeypatch.setattr(reference, changed, wrong)
    assert command_line.main(["--tokens", "32", "--device", "cpu"]) == 1
    printed = capsys.readouterr()
    assert re.search(
        rf"^{changed} on cpu: {output}: 1 elements differ, the first at \(3, 5\): .* instead of 7(\.0)?$", printed.err
    )
    assert re.search(rf"^{changed} .* no$", printed.out, re.MULTILINE)
    assert len(re.findall(r" yes$", printed.out, re.MULTILINE)) == len(OPERATORS) - 1


def test_the_fallback_mode_is_as_before(capsys):
    before = torch.tt.get_fallback_mode()
    for mode in ("warn", "silent"):
        torch.tt.set_fallback_mode(mode)
        run(capsys, "--tokens", 4)
        assert torch.tt.get_fallback_mode() == mode
    torch.tt.set_fallback_mode(before)


class TestInput:
    """Recorded choices."""

    pytestmark = pytest.mark.any_runtime

    @pytest.fixture
    def recorded(self, tmp_path):
        def save(ids, weights, metadata=None):
            save_file({"selected_experts": ids, "routing_weights": weights}, tmp_path / "f.safetensors", metadata)
            return tmp_path / "f.safetensors"

        return save

    @pytest.mark.parametrize("id_dtype", ID_DTYPES, ids=str)
    def test_number_of_experts(self, capsys, recorded, id_dtype):
        choices = make_choices(21, 3, 20, id_dtype=id_dtype)
        path = recorded(*choices, {"num_experts": "20"})
        assert "bfloat16 (21, 20)" in run(capsys, "--input", path)
        assert "bfloat16 (21, 22)" in run(capsys, "--input", path, "--num-experts", 22)
        assert "bfloat16 (21, 32)" in run(capsys, "--input", path, "--model", "gpt-oss-20b")

    def test_a_path_that_the_terminal_cannot_show(self, recorded, tmp_path, monkeypatch):
        recorded(*make_choices(21, 3, 20), {"num_experts": "20"}).rename(tmp_path / "\N{SNOWMAN}.safetensors")
        output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", output)
        assert command_line.main(["--input", str(tmp_path / "\N{SNOWMAN}.safetensors")]) == 0
        output.seek(0)
        assert "\\u2603.safetensors: 20 experts" in output.read()

    def test_load(self, capsys, recorded):
        ids = torch.tensor([[0, 2], [0, 2], [0, 3], [0, -1]])
        printed = run(capsys, "--input", recorded(ids, torch.ones(4, 2)), "--num-experts", 4)
        assert "7 choices over 4 experts" in printed
        assert re.search(r"least +expert 1 +0\n +mean +1.8\n +most +expert 0 +4\n", printed)

    def test_mistakes(self, capsys, recorded, tmp_path):
        choices = make_choices(21, 3, 20)
        for wrong in ("many", "0", "-3", str(2**32), "9" * 5000):
            assert "num_experts in the metadata: expected a number from 1 to 2^32 - 1, got" in mistake(
                capsys, "--input", recorded(*choices, {"num_experts": wrong})
            )
        assert "expected outputs that fit this machine's memory" in mistake(
            capsys, "--input", recorded(*choices, {"num_experts": "4000000000"})
        )
        assert "of dtype bfloat16, float16 or float32, got float64" in mistake(
            capsys, "--input", recorded(choices[0], choices[1].double()), "--num-experts", 20
        )
        path = recorded(*choices)
        assert mistake(capsys, "--input", path).endswith(
            "the file's metadata has no num_experts; give --num-experts or --model"
        )
        assert "--num-experts: expected a number from 1 to 2^32 - 1, got 9999" in mistake(
            capsys, "--input", path, "--num-experts", "9" * 23
        )
        assert "expected one of mixtral-8x7b" in mistake(capsys, "--input", path, "--model", "gpt-2")
        assert "expected expert ids in [0, 3)" in mistake(capsys, "--input", path, "--num-experts", 3)
        assert "(K <= num_experts), got K = 3" in mistake(capsys, "--input", path, "--num-experts", 2)
        for option, value in (("--tokens", 3), ("--seed", 3), ("--distribution", "zipf")):
            assert f"{option} makes up a batch" in mistake(capsys, "--input", path, option, value)
        assert "No such file" in mistake(capsys, "--input", tmp_path / "none")
        (tmp_path / "text").write_text("text")
        assert "--input" in mistake(capsys, "--input", tmp_path / "text")
        for not_a_file in (tmp_path, "/dev/null"):
            assert mistake(capsys, "--input", not_a_file).endswith("expected a file, which a folder or a pipe is not")
        os.mkfifo(tmp_path / "pipe")
        assert mistake(capsys, "--input", tmp_path / "pipe").endswith("a file, which a folder or a pipe is not")
        save_file({"selected_experts": choices[0]}, tmp_path / "half")
        assert mistake(capsys, "--input", tmp_path / "half").endswith("missing routing_weights")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "gpt-2"], "--model: expected one of mixtral-8x7b, "),
        (["--distribution", "normal"], "--distribution: expected one of uniform, zipf, same, padded; got normal"),
        (["--device", "cuda"], "--device: expected one of cpu"),
        (["--device", "nonsense"], "--device: expected one of cpu"),
        (["--tokens", "-1"], "--tokens: expected a number from 0 to 2^32 - 1, got -1"),
        (["--tokens", "some"], "argument --tokens: invalid int value: 'some'"),
        (["--tokens", str(2**32)], "--tokens: expected a number from 0 to 2^32 - 1, got 4294967296"),
        (["--tokens", str(2**32 - 1)], "expected outputs that fit this machine's memory"),
        (["--model", ""], "--model: expected one of mixtral-8x7b, "),
        (["--seed", str(2**64)], "--seed: expected a number of 64 bits"),
        (["--num-experts", "8"], "--num-experts goes with --input"),
        (["--local-experts", "0,five"], "--local-experts: expected ids separated by commas, got 0,five"),
        (["--local-experts", "0,128"], "got 128 at local_experts[1]"),
        (["--max-tokens=-1"], "expected max_tokens of at least 0, got -1"),
        (["--max-tokens", str(2**31)], "expected outputs that fit this machine's memory"),
        (["--alignment", "0"], "expected alignment of at least 1, got 0"),
        (["--tokens", "4", "more"], "argument command: invalid choice: 'more'"),
    ],
    ids=" ".join,
)
def test_mistakes(capsys, arguments, said):
    assert said in mistake(capsys, *arguments)


class TestReport:
    """The text it prints."""

    def test_bars(self):
        drawn = report.load([0, 1, 2, 4, 8, 16], range(6), "utf-8").splitlines()[-1]
        assert drawn.endswith("  .▁▁▂▄█")

    def test_bars_without_unicode(self):
        assert report.load([0, 1, 2, 4, 8, 16], range(6), "ascii").splitlines()[-1].endswith("  .11248")

    def test_a_terminal_without_unicode(self, monkeypatch):
        output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", output)
        assert command_line.main(["--tokens", "4"]) == 0

    def test_every_expert_is_drawn(self):
        lines = report.load(list(range(1, 131)), range(130), "utf-8").splitlines()[4:]
        assert [line.split()[0] for line in lines] == ["0-63", "64-127", "128-129"]
        assert [len(line.split()[1]) for line in lines] == [64, 64, 2]

    @pytest.mark.parametrize(
        ("seconds", "text"), [(2.5, "2.5 s"), (0.0125, "12.5 ms"), (3.25e-6, "3.2 us"), (4e-7, "0.4 us")]
    )
    def test_durations(self, seconds, text):
        assert report.duration(seconds) == text
