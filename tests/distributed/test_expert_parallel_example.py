"""The example, as its first lines say to run it."""

import os
import re
import subprocess
import sys

import expert_parallel
import pytest

from support import ranks
from support.documents import ROOT

pytestmark = pytest.mark.any_runtime
EXAMPLE = ROOT / "examples" / "expert_parallel.py"


def test_without_torchrun(monkeypatch, capsys):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(sys, "argv", ["expert_parallel.py"])
    with pytest.raises(SystemExit) as exited:
        expert_parallel.main()
    assert exited.value.code == 2
    assert capsys.readouterr().err == "expected torchrun: torchrun --nproc-per-node 2 examples/expert_parallel.py\n"


def test_no_such_device(monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr(sys, "argv", ["expert_parallel.py", "--device", "tt:99"])
    with pytest.raises(SystemExit) as exited:
        expert_parallel.main()
    assert exited.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("--device tt:99: expected the index of a tt device")


@pytest.mark.parametrize(("num_ranks", "device"), [(2, "cpu"), (4, "cpu"), (2, "tt")])
def test_as_one_process(num_ranks, device, tmp_path):
    # NumPy is installed so that torch does not warn, and nothing needs it; some calls of torch.distributed would.
    (tmp_path / "numpy.py").write_text("raise ModuleNotFoundError(__name__)")
    # torchrun of this Python, at a port that is free.
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(num_ranks)]
    process = subprocess.run(
        [*command, EXAMPLE, "--device", device, "--tokens", "33", "--experts", "10"],
        env=os.environ | ranks.ENVIRONMENT | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    held = {2: "5, 5", 4: "3, 3, 2, 2"}[num_ranks]
    line = (
        rf"{num_ranks} ranks on {device} with {held} experts, 33 tokens: "
        r"largest difference (\S+) in outputs, (\S+) in gradients\n"
    )
    found = re.fullmatch(line, process.stdout)
    assert found, process.stdout
    assert max(map(float, found.groups())) < 1e-4
