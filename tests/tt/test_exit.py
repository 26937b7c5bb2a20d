"""The interpreter exits without a crash, whatever still holds memory of the device."""

import os
import signal

import pytest

from support import processes

pytestmark = pytest.mark.dispatch

# PyTorch's backward thread lets go of a Python object some time after backward() has returned. If that is while the
# interpreter ends, the process aborts, on any accelerator; hence the pause.
ALIVE = """
import sys, time, weakref
class Holder: pass
tensor = torch.ones(1000, device="tt")
view = tensor[3:]
torch.ones(500, device="tt")  # in the cache
cycle = Holder(); cycle.me = cycle; cycle.tensor = torch.ones(10, device="tt"); del cycle
sys.tensor_of_this_test = torch._tensor_of_this_test = torch.ones(10, device="tt")
leaf = torch.ones(10, device="tt", requires_grad=True); (leaf * 2).sum().backward(); graph = leaf * 2; time.sleep(0.5)
finalized = Holder(); weakref.finalize(finalized, torch.ones(10, device="tt").sum)
generator = torch.Generator("tt"); torch.rand(3, device="tt", generator=generator)
event = torch.Event(device="tt"); event.record()
"""

THREAD = """
import threading
threading.Thread(target=lambda: [torch.ones(1000).to("tt").cpu() for _ in range(100)]).start()
"""


@pytest.mark.parametrize("code", [ALIVE, THREAD, ""], ids=["all kinds of owners", "a thread", "never used"])
def test_exit(code):
    assert processes.output(f"import torch, torch_moe_ttnn\n{code}\nprint('end')") == "end"


def test_exit_handlers_still_have_the_device():
    code = (
        "import atexit, torch, torch_moe_ttnn\n"
        "tensor = torch.ones(2, device='tt')\n"
        "atexit.register(lambda: print((tensor + 1).tolist()))"
    )
    assert processes.output(code) == "[2.0, 2.0]"


def test_so_have_exit_handlers_older_than_the_device():
    code = (
        "import atexit\n"
        "atexit.register(lambda: print((tensor + 1).tolist()))\n"
        "import torch, torch_moe_ttnn\n"
        "tensor = torch.ones(2, device='tt')"
    )
    assert processes.output(code) == "[2.0, 2.0]"


def test_an_exception_ends_as_ever():
    process = processes.run("import torch, torch_moe_ttnn; tensor = torch.ones(2, device='tt'); raise SystemExit(7)")
    assert (process.returncode, process.stderr) == (7, "")


EXITS = {
    "an id out of range": "ids[0, 0] = 99; torch_moe_ttnn.prepare_mapping(ids.to('tt'), weights.to('tt'), 32)",
    "out of memory": "torch.empty(10**12, device='tt')",
    "an exception with the device at work": "torch_moe_ttnn.prepare_routing(ids.to('tt'), weights.to('tt'), 32); 1 / 0",
}


@pytest.mark.parametrize("code", EXITS.values(), ids=EXITS)
def test_exit_after_an_error(code):
    process = processes.run(
        "import atexit, torch, torch_moe_ttnn\n"
        "from torch_moe_ttnn.testing import make_choices\n"
        "ids, weights = make_choices(64, 4, 32)\n"
        "atexit.register(print, 'end')\n"
        "try:\n"
        f"    {code}\n"
        "except (RuntimeError, ZeroDivisionError): pass\n"
        "held = torch.ones(2, device='tt')"
    )
    assert (process.returncode, process.stdout) == (0, "end\n"), process.stderr


NOTHING_IS_QUEUED = "TT_METAL_SLOW_DISPATCH_MODE" in os.environ and os.environ.get("TORCH_TT_RUNTIME") != "emulated"

# Far more than is done when the process ends. A simulated chip takes half a minute for thousands.
QUEUE = """
import os, signal, sys, threading, time
import torch, torch_moe_ttnn
tokens, launches = {"emulated": EMULATED, "metal": (32, 500)}[torch.tt.get_device_properties().runtime]
ids, weights = torch.zeros(tokens, 1, dtype=torch.int32, device="tt"), torch.ones(tokens, 1, device="tt")
for _ in range(launches):
    mapping = torch.ops.moe.prepare_mapping(ids, weights, 4)
"""
ENDS = {
    "the last line": ("", 0),
    "an exception": ("1 / 0", 1),
    "sys.exit": ("sys.exit(3)", 3),
    "sys.exit in a thread": ("threading.Thread(target=sys.exit, args=[3]).start()", 0),
    "a daemon thread that waits": ("threading.Thread(target=torch.tt.synchronize, daemon=True).start()", 0),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    "Ctrl-C": ("os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
}


@pytest.mark.parametrize(("code", "status"), ENDS.values(), ids=ENDS)
def test_exit_with_a_long_queue(code, status):
    """The queue is drained, unless a signal ends the process, which leaves nothing in the next one's way."""
    if "daemon" in code and NOTHING_IS_QUEUED:
        # One that comes back from C++ while the interpreter ends aborts the process, before Python 3.14, on any device.
        pytest.skip("without fast dispatch the thread does not wait")
    process = processes.run(QUEUE.replace("EMULATED", "(32, 3000)") + code)
    assert process.returncode == status, process.stderr
    assert process.stdout == ""
    errors = [line for line in process.stderr.splitlines() if not line.startswith(("Traceback", " "))]
    assert errors == {1: ["ZeroDivisionError: division by zero"], -2: ["KeyboardInterrupt"]}.get(status, [])
    if status < 0:
        code = "import torch, torch_moe_ttnn; print(torch.ones(2, device='tt').tolist())"
        assert processes.output(code) == "[1.0, 1.0]"


@pytest.mark.skipif(NOTHING_IS_QUEUED, reason="without fast dispatch nothing is queued")
def test_ctrl_c_ends_an_exit_that_waits_for_the_queue():
    """Python has put back what the system does then: the first one that comes while the queue is drained ends it."""
    code = "os.system(f'(sleep 1; kill -INT {os.getpid()}) &')"
    # No more launches than the queue takes.
    process = processes.run(QUEUE.replace("EMULATED", "(20000, 10000)") + code)
    assert process.returncode == -signal.SIGINT, process.stderr
    assert process.stderr == ""
