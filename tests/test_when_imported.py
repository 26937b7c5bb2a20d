"""What waits for another module's import."""

import sys

import pytest

from support import processes
from torch_moe_ttnn._when_imported import when_imported

pytestmark = pytest.mark.any_runtime


@pytest.fixture
def awaited(tmp_path, monkeypatch):
    """Return the name of a module that nobody has imported."""
    (tmp_path / "awaited_module.py").write_text("value = 1")
    monkeypatch.syspath_prepend(tmp_path)
    yield "awaited_module"
    sys.modules.pop("awaited_module", None)


def test_all_who_wait_are_called_once(awaited):
    calls = []
    before = list(sys.meta_path)
    when_imported(awaited, lambda: calls.append("first"))
    when_imported(awaited, lambda: calls.append("second"))
    assert calls == []
    module = __import__(awaited)
    assert (module.value, calls) == (1, ["first", "second"])
    when_imported(awaited, lambda: calls.append("third"))
    assert calls == ["first", "second", "third"]
    assert [finder for finder in sys.meta_path if finder not in before] == []


def test_an_error_keeps_nobody_from_the_module(awaited):
    calls = []

    def fail():
        raise ValueError("no")

    when_imported(awaited, fail)
    when_imported(awaited, lambda: calls.append("second"))
    with pytest.warns(UserWarning, match="fail failed after import awaited_module: no"):
        module = __import__(awaited)
    assert (module.value, calls) == (1, ["second"])


def test_tt_and_expert_parallelism_both_wait_for_dynamo():
    """Whichever comes first, Dynamo knows the device."""
    code = """
import torch, torch_moe_ttnn, torch_moe_ttnn.distributed, sys
assert "torch._dynamo" not in sys.modules
from torch._dynamo.device_interface import get_interface_for_device
print(get_interface_for_device("tt").__name__)
"""
    assert processes.output(code)
