"""A process that runs some checks of a group, for ``processes.py``.

Takes the descriptor of a pipe and, as JSON, the module that has the checks, their names and what they are told. Writes
a line of JSON into the pipe when a check begins, when it says what it is at, and when it ends.
"""

import ctypes
import faulthandler
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from typing import Any

from torch_moe_ttnn._cli.verify.check import Check, Setting, SkippedError

_PR_SET_PDEATHSIG = 1


def _result(check: Check, setting: Setting) -> dict[str, Any]:
    try:
        return {"result": "passed", "reason": "", "details": check.run(setting)}
    except SkippedError as skipped:
        return {"result": "skipped", "reason": str(skipped), "details": {}}
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return {"result": "failed", "reason": reason, "details": {}, "traceback": traceback.format_exc()}


def main() -> None:
    """Do as the module says."""
    # The parent ends a process that hangs by SIGABRT: this prints where it is.
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # A chip that is held by a process whose parent was killed would not be free for the next one.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    descriptor, task = int(sys.argv[1]), json.loads(sys.argv[2])
    # TT-Metalium starts compilers, which would keep it open.
    os.set_inheritable(descriptor, False)

    def tell(event: str, **what: object) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        # Until where it has printed: the next check may print before the parent reads this.
        printed = os.fstat(sys.stdout.fileno()).st_size
        os.write(descriptor, f"{json.dumps({'event': event, 'printed': printed} | what)}\n".encode())

    setting = Setting(task["seed"], task["full"], lambda text: tell("at", text=text))
    checks = {check.name: check for check in importlib.import_module(task["module"]).CHECKS}
    for name in task["names"]:
        tell("begin", name=name)
        begin = time.perf_counter()
        result = _result(checks[name], setting)
        tell("end", seconds=round(time.perf_counter() - begin, 3), **result)


if __name__ == "__main__":
    main()
