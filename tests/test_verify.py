"""`python -m torch_moe_ttnn --verify`: what it writes, and what it does where a check fails, hangs or dies."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from torch_moe_ttnn._cli import main as command_line
from torch_moe_ttnn._cli import verify
from torch_moe_ttnn._cli.verify import environment
from torch_moe_ttnn._cli.verify.check import Setting
from torch_moe_ttnn._cli.verify.document import Anonymous
from torch_moe_ttnn._cli.verify.page import page

pytestmark = pytest.mark.any_runtime


@pytest.fixture
def group(tmp_path, monkeypatch):
    """Make a group of checks of Python code; each gets the name of its function."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, **bodies):
        lines = ["import os, sys, time, signal", "from torch_moe_ttnn._cli.verify.check import *"]
        for check, body in bodies.items():
            lines += [f"def {check}(setting):", *(f"    {line}" for line in body.splitlines())]
        checks = ", ".join(f"Check({check!r}, 'What {check} does.', {check})" for check in bodies)
        (tmp_path / f"{name}.py").write_text("\n".join([*lines, f"CHECKS = [{checks}]", ""]))
        return name

    return make


@pytest.fixture
def run(tmp_path, capsys):
    """Run groups and return the exit status, the document, the page and what was printed."""

    def run(*groups, limit=60.0, full=False):
        status = verify.verify(tmp_path / "report", seed=5, full=full, groups=groups, limit=limit)
        document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
        return status, document, (tmp_path / "report.md").read_text(encoding="utf-8"), capsys.readouterr().out

    return run


def results(document):
    return {check["name"]: check["result"] for check in document["checks"]}


def until(found, seconds=60):
    """Return what is found, as soon as it is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.05)
    raise TimeoutError


def check_of(document, name):
    (check,) = (check for check in document["checks"] if check["name"] == name)
    return check


def test_the_emulated_device_passes(tmp_path, monkeypatch, capsys):
    """All that --verify does; where another runtime is tested, its turn is .ci/run's."""
    monkeypatch.setenv("TORCH_TT_RUNTIME", "emulated")
    monkeypatch.chdir(tmp_path)
    assert command_line.main(["--device", "tt", "--verify", "--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    document = json.loads(Path("torch_moe_ttnn-verify.json").read_text(encoding="utf-8"))
    checks = document["checks"]
    assert [f"{check['group']}: {check['name']}" for check in checks] == [
        ": ".join(line.partition(" s  ")[2].split(": ")[:2]) for line in lines[: len(checks)]
    ]
    assert document["format"] == "torch_moe_ttnn-verify"
    assert (document["version"], document["result"], document["seed"], document["full"]) == (1, "passed", 3, False)
    keys = ["group", "name", "description", "result", "reason", "at", "seconds", "details"]
    assert [list(check) for check in checks] == [keys] * len(checks)
    assert {check["result"] for check in checks} == {"passed", "skipped"}
    assert all(check["reason"] for check in checks if check["result"] == "skipped")
    skipped = {check["group"] for check in checks if check["result"] == "skipped"}
    assert skipped <= {"environment", "clocks", "ttnn_first", "tt_first"}
    details = {(check["group"], check["name"]): check["details"] for check in checks}
    assert details["device", "open"]["kind"] == "emulated"
    for operator in ("prepare_mapping", "prepare_routing", "prepare_grouping", "permute"):
        found = details["operators", operator]
        assert found["cases compared"] > 60
        assert found["launches"] > 50
    assert len(details["times", "launches"]["launches"]["rows"]) == 12
    assert not list(Path().glob("*.part"))
    written = Path("torch_moe_ttnn-verify.md").read_text(encoding="utf-8")
    assert written == page(document)
    assert written.startswith("# torch_moe_ttnn on Emulated Wormhole (emulated): passed\n")
    assert "say nothing of a card" in written
    assert len(written) < 65536


def test_a_check_that_fails(group, run):
    name = group(
        "failing",
        before="return {'n': 3}",
        fails="setting.at('the third case')\nraise FailedError('one | two')",
        after="return {}",
    )
    status, document, written, printed = run(name)
    assert status == 1
    assert document["result"] == "failed"
    assert results(document) == {"before": "passed", "fails": "failed", "after": "passed", "the process ends": "passed"}
    failed = check_of(document, "fails")
    assert (failed["at"], failed["reason"]) == ("the third case", "FailedError: one | two")
    assert "in fails" in failed["traceback"]
    assert "failing: fails: FailedError: one | two" in printed
    assert written.startswith("# torch_moe_ttnn on an unknown device (not opened): failed\n\n3 passed, 1 failed;")
    assert "It was at: the third case." in written
    assert "FailedError: one \\| two" in written


def test_a_check_that_is_skipped(group, run):
    status, document, written, _ = run(group("skipping", skips="raise SkippedError('there is no such thing')"))
    assert (status, document["result"]) == (0, "passed")
    assert check_of(document, "skips")["reason"] == "there is no such thing"
    assert "there is no such thing" in written


def test_a_check_that_hangs(group, run):
    """It is ended and named, with where it was; what comes after it runs in another process."""
    name = group("hanging", hangs="setting.at('launch 7')\ntime.sleep(1000)", after="return {'process': os.getpid()}")
    begin = time.monotonic()
    status, document, _, _ = run(name, limit=2)
    assert time.monotonic() - begin < 60
    assert status == 1
    assert results(document) == {"hangs": "failed", "after": "passed", "the process ends": "passed"}
    hung = check_of(document, "hangs")
    assert hung["at"] == "launch 7"
    assert hung["reason"] == "nothing was heard for 2 seconds, and the process was ended"
    assert "in hangs" in hung["output"]


def test_a_sign_of_life_begins_the_limit_anew(group, run):
    name = group("slow", slow="for turn in range(5):\n    setting.at(f'turn {turn}')\n    time.sleep(1)\nreturn {}")
    assert run(name, limit=3)[0] == 0


def test_a_check_that_takes_its_process_with_it(group, run):
    """The others run all the same."""
    ways = {
        "by_signal": ("os.kill(os.getpid(), signal.SIGSEGV)", "the process ended by SIGSEGV"),
        "with_status": ("print('last words', flush=True)\nos._exit(3)", "the process ended with status 3"),
        "quietly": ("os._exit(0)", "the process ended with status 0"),
    }
    bodies = {}
    for name, (body, _) in ways.items():
        bodies |= {name: body, f"after_{name}": "return {}"}
    status, document, _, _ = run(group("dying", **bodies))
    assert status == 1
    expected = {name: "failed" if name in ways else "passed" for name in bodies}
    assert results(document) == expected | {"the process ends": "passed"}
    for name, (_, how) in ways.items():
        assert check_of(document, name)["reason"] == how
    assert "last words" in check_of(document, "with_status")["output"]


def test_what_a_check_prints_is_its_own(group, run, monkeypatch):
    """Also where the next one has printed before the parent has heard of the end of this one."""
    note = verify.Document.note

    def slowly(self, entry):
        time.sleep(0.5)
        return note(self, entry)

    monkeypatch.setattr(verify.Document, "note", slowly)
    fails = "print('I am {0}')\nraise FailedError('{0}')"
    name = group("printing", passes="print('I am fine')\nreturn {}", one=fails.format("one"), two=fails.format("two"))
    _, document, _, _ = run(name)
    assert check_of(document, "one")["output"] == "I am one\n"
    assert check_of(document, "two")["output"] == "I am two\n"


def test_a_process_that_does_not_end_well(group, run):
    name = group("ending", ends="import atexit\natexit.register(os._exit, 7)\nreturn {}")
    status, document, _, _ = run(name, group("next", passes="return {}"))
    assert status == 1
    assert [check["result"] for check in document["checks"]] == ["passed", "failed", "passed", "passed"]
    assert check_of({"checks": document["checks"][:2]}, "the process ends")["reason"].endswith("with status 7")


def test_a_chip_that_does_not_answer(group, run):
    """After two processes of a group the rest is not tried."""
    name = group("dead", **{f"check_{index}": "os._exit(1)" for index in range(4)})
    _, document, _, _ = run(name)
    assert list(results(document).values()) == ["failed", "failed", "skipped", "skipped"]
    assert check_of(document, "check_3")["reason"] == "2 processes in a row were lost: the device does not answer"


def test_the_file_says_what_is_under_way(group, run, tmp_path):
    """A machine that stops leaves it."""
    body = f"import json\nreturn {{'document': json.load(open({str(tmp_path / 'report.json')!r}, encoding='utf-8'))}}"
    _, document, _, _ = run(group("reading", reads=f"setting.at('case 1')\ntime.sleep(1)\n{body}"))
    seen = check_of(document, "reads")["details"]["document"]
    assert seen["result"] == "unfinished"
    assert (seen["checks"][-1]["result"], seen["checks"][-1]["at"]) == ("running", "case 1")


def test_an_interrupt(group, run, monkeypatch):
    """The process is ended, and what was found until then is written."""
    note, processes = verify.Document.note, []

    def interrupted(self, entry):
        noted = note(self, entry)
        if noted["at"]:
            processes.append(int(noted["at"]))
            raise KeyboardInterrupt
        return noted

    monkeypatch.setattr(verify.Document, "note", interrupted)
    name = group("long", short="return {}", long="setting.at(f'{os.getpid()}')\ntime.sleep(1000)")
    status, document, written, printed = run(name)
    assert status == 130
    assert document["result"] == "unfinished"
    assert results(document) == {"short": "passed", "long": "running"}
    assert "## long: long **unfinished**" in written
    assert "interrupted\n" in printed
    with pytest.raises(ProcessLookupError):
        os.kill(processes[0], 0)


def test_a_parent_that_is_killed(group, tmp_path):
    """Nothing keeps the chip."""
    file = tmp_path / "pid"
    name = group("orphan", waits=f"print(os.getpid(), file=open({str(file)!r}, 'w'), flush=True)\ntime.sleep(1000)")
    code = (
        f"import pathlib, torch_moe_ttnn._cli.verify as v; v.verify(pathlib.Path('report'), seed=1, groups=[{name!r}])"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.DEVNULL) as parent:
        pid = until(lambda: file.exists() and file.read_text().endswith("\n") and int(file.read_text()))
        parent.kill()
    # Reaped or not, it runs no more.
    until(lambda: not Path(f"/proc/{pid}/stat").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z")


def test_cards(tmp_path, monkeypatch):
    """As tt-kmd shows them: what tells one card from another of its kind is left out."""
    nodes, places = tmp_path / "nodes", tmp_path / "class"
    for index in range(2):
        (places / f"tenstorrent!{index}" / "device").mkdir(parents=True)
        attributes = {"tt_aiclk": "1000", "tt_serial": "0x1234", "tt_asic_id": "0x5678", "tt_card_type": "n300"}
        for name, value in attributes.items():
            (places / f"tenstorrent!{index}" / name).write_text(f"{value}\n")
        (places / f"tenstorrent!{index}/device/current_link_width").write_text("16\n")
        nodes.mkdir(exist_ok=True)
        (nodes / f"{index}").touch()
    (tmp_path / "version").write_text("2.9.0\n")
    for name, place in {"_NODES": nodes, "_CLASS": places, "_DRIVER": tmp_path / "version"}.items():
        monkeypatch.setattr(environment, name, place)
    (cards,) = (check for check in environment.CHECKS if check.name == "cards")
    details = cards.run(Setting(0, False, print))
    assert details["kernel driver"] == "2.9.0"
    of_each = [
        ("readable and writable", "yes"),
        ("tt_card_type", "n300"),
        ("tt_aiclk", "1000"),
        ("PCI current_link_width", "16"),
    ]
    assert details["chips"]["rows"] == [[f"{index}", *row] for index in range(2) for row in of_each]
    assert environment.clocks_of_cards() == ["1000", "1000"]


class TestAnonymous:
    """Nothing of who ran it, or where."""

    @pytest.fixture(autouse=True)
    def someone(self, monkeypatch):
        monkeypatch.setenv("HOME", "/home/somebody")
        monkeypatch.setenv("USER", "somebody")
        monkeypatch.setattr(socket, "gethostname", lambda: "secret-box.example.org")

    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("/home/somebody", "~"),
            ("no file /home/somebody/models/a.txt: gone", "no file …/a.txt: gone"),
            ("'/data/somebody/tt-metal/build'", "'…/build'"),
            ("by somebody on secret-box", "by <user> on <host>"),
            ("secret-box.example.org:22", "<host>:22"),
            ("in (/opt/secret/include, ...)", "in (…/include, ...)"),
            (
                "/dev/tenstorrent/0 /sys/class/tenstorrent/tenstorrent!0",
                "/dev/tenstorrent/0 /sys/class/tenstorrent/tenstorrent!0",
            ),
            ("https://example.com/a/b", "https://example.com/a/b"),
            ("288 GB/s, 1/2/3", "288 GB/s, 1/2/3"),
        ],
    )
    def test_texts(self, text, left):
        assert Anonymous().text(text) == left

    def test_a_report(self, group, run, monkeypatch):
        monkeypatch.setenv("TT_METAL_CACHE", "/data/somebody/cache")
        body = "print('in /home/somebody/x on secret-box')\nraise OSError('/scratch/team/somebody/file by somebody')"
        status, document, written, printed = run(group("telling", tells=body), "torch_moe_ttnn._cli.verify.environment")
        assert status == 1
        assert check_of(document, "tells")["reason"] == "OSError: …/file by <user>"
        assert check_of(document, "variables")["details"]["TT_METAL_CACHE"] == "…/cache"
        for text in (json.dumps(document), written, printed.rpartition("failed in")[0]):
            for name in ("somebody", "secret-box", "/home", str(Path.home()), os.path.expanduser("~root")):
                assert name not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "cpu"], "--device: expected tt, whose outputs --verify compares with the CPU's; got cpu"),
        (["--tokens", "3"], "--tokens is of a batch, and --verify makes up its own"),
        (["--max-tokens", "3"], "--max-tokens is of a batch, and --verify makes up its own"),
        (["--seed", str(2**64)], "--seed: expected a number of 64 bits"),
    ],
    ids=" ".join,
)
def test_mistakes(capsys, arguments, said):
    with pytest.raises(SystemExit) as exited:
        command_line.main(["--verify", *arguments])
    assert exited.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_folder_that_is_not_there(capsys, tmp_path):
    with pytest.raises(SystemExit) as exited:
        command_line.main(["--verify", str(tmp_path / "none" / "prefix")])
    assert exited.value.code == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_full_goes_with_verify(capsys):
    with pytest.raises(SystemExit) as exited:
        command_line.main(["--full"])
    assert exited.value.code == 2
    assert "--full goes with --verify" in capsys.readouterr().err
