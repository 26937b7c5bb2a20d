"""The interpreter exits without a crash, whatever still holds memory of the device."""

import processes
import pytest

ALIVE = {
    "a global": "tensor = torch.ones(1000, device='tt')",
    "a view": "tensor = torch.ones(1000, device='tt')[3:]",
    "a reference cycle": "class C: pass\nc = C(); c.me = c; c.tensor = torch.ones(1000, device='tt'); del c",
    "cached memory": "torch.ones(1000, device='tt')",
    "a builtin module": "import sys; sys.tensor = torch.ones(1000, device='tt')",
    "a thread": (
        "import threading, time\n"
        "tensor = torch.ones(1000, device='tt')\n"
        "threading.Thread(target=lambda: [tensor.clone() for _ in range(1000)]).start()"
    ),
    "a daemon thread": (
        "import threading, time\n"
        "def work():\n"
        "    try:\n"
        "        while True: torch.ones(1000).to('tt').cpu()\n"
        "    except RuntimeError: pass\n"
        "threading.Thread(target=work, daemon=True).start(); time.sleep(0.2)"
    ),
    "a gradient": "tensor = torch.ones(10, device='tt', requires_grad=True); (tensor * 2).sum().backward()",
    "a type of torch": "torch._tensor_of_this_test = torch.ones(10, device='tt')",
    "a finalizer": ("import weakref\nclass C: pass\nc = C(); weakref.finalize(c, torch.ones(10, device='tt').sum)"),
    "a generator": "generator = torch.Generator('tt'); torch.rand(3, device='tt', generator=generator)",
    "nothing": "pass",
}


@pytest.mark.parametrize("code", ALIVE.values(), ids=ALIVE.keys())
def test_exit(code):
    assert processes.output(f"import torch\n{code}\nprint('end')") == "end"


def test_exit_handlers_still_have_the_device():
    code = (
        "import atexit, torch\n"
        "tensor = torch.ones(2, device='tt')\n"
        "atexit.register(lambda: print((tensor + 1).tolist()))"
    )
    assert processes.output(code) == "[2.0, 2.0]"


def test_so_have_exit_handlers_older_than_the_device():
    code = (
        "import atexit\n"
        "atexit.register(lambda: print((tensor + 1).tolist()))\n"
        "import torch\n"
        "tensor = torch.ones(2, device='tt')"
    )
    assert processes.output(code) == "[2.0, 2.0]"


def test_an_exception_ends_as_ever():
    process = processes.run("import torch; tensor = torch.ones(2, device='tt'); raise SystemExit(7)")
    assert (process.returncode, process.stderr) == (7, "")
