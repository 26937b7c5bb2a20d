"""Processes of one group, for tests of ``torch.distributed``: each calls the same functions of a module."""

import datetime
import importlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import torch

import torch_moe_ttnn  # noqa: F401

TESTS = Path(__file__).parents[1]
PREFIX = "case_"


def start(program: list[str], world_size: int, folder: Path, **environment: str) -> list[subprocess.Popen]:
    """Start a Python program once a rank, with arguments that say rank, number of ranks and where they meet."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [TESTS, TESTS / "distributed", TESTS.parent / "examples", os.environ.get("PYTHONPATH", "")]
    return [
        subprocess.Popen(
            [sys.executable, *program, str(rank), str(world_size), str(folder / "store")],
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1", "TORCH_TT_FALLBACK": "silent"}
            | environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world_size)
    ]


def outputs(processes: list[subprocess.Popen], timeout: float) -> list[tuple[str, str]]:
    """Wait for all processes, which are ended when the time is over, and return what each wrote."""
    try:
        return [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def call_cases(module: str, world_size: int, folder: Path, timeout: float = 240) -> dict[str, str]:
    """Call a module's cases on every rank, and return for each by name what went wrong on which rank, or nothing."""
    processes = start(["-m", "support.ranks", module], world_size, folder)
    errors = dict.fromkeys(names_of(module), "")
    for rank, (lines, stderr) in enumerate(outputs(processes, timeout)):
        done = dict(map(json.loads, lines.splitlines()))
        for name in errors:
            error = done.get(name, f"not reached; stderr: {stderr}")
            if error:
                errors[name] += f"\non rank {rank}: {error}"
    return errors


def names_of(module: str) -> list[str]:
    """Return the names of a module's cases, in their order."""
    return [name for name in vars(importlib.import_module(module)) if name.startswith(PREFIX)]


def init_process_group(rank: int, world_size: int, store: str, seconds: float = 60) -> None:
    """Begin as a rank; a call that the others do not make fails after the time."""
    torch.distributed.init_process_group(
        init_method=f"file://{store}",
        rank=rank,
        world_size=world_size,
        timeout=datetime.timedelta(seconds=seconds),
    )


def _main(module: str, rank: str, world_size: str, store: str) -> None:
    init_process_group(int(rank), int(world_size), store)
    cases = importlib.import_module(module)
    for name in names_of(module):
        error = ""
        try:
            getattr(cases, name)()
        except Exception:
            error = traceback.format_exc()
        print(json.dumps([name, error]), flush=True)
        if error:
            # The ranks may no longer agree on which call is next.
            os._exit(1)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    _main(*sys.argv[1:])
