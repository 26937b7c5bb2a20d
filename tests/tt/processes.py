"""Python processes of their own, for what a process can do only once."""

import os
import subprocess
import sys


def run(code: str, **environment: str | None) -> subprocess.CompletedProcess:
    """Run Python code; ``None`` unsets an environment variable."""
    variables = os.environ | {"TORCH_TT_FALLBACK": "silent"} | environment
    return subprocess.run(
        [sys.executable, "-c", code],
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        # Not where the tests were started: the source tree there would hide other packages of its name.
        cwd=os.path.dirname(__file__),
        timeout=120,
        check=False,
    )


def output(code: str, **environment: str | None) -> str:
    """Run Python code that must succeed and say nothing to stderr; return what it prints."""
    process = run(code, **environment)
    assert (process.returncode, process.stderr) == (0, ""), process.stderr
    return process.stdout.strip()


def error(code: str, **environment: str | None) -> str:
    """Run Python code that must end with an exception; return the exception's line."""
    process = run(code, **environment)
    assert process.returncode == 1, process.stderr
    return process.stderr.strip().splitlines()[-1]
