"""A process that ends is an error on the others, soon."""

import re

import pytest

from support import ranks

pytestmark = pytest.mark.any_runtime

PROGRAM = """
import os, signal, sys, time
import torch
from support import ranks
from torch_moe_ttnn.distributed import combine, dispatch, place_experts

rank, size, store = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
# Far longer than the test waits.
ranks.init_process_group(rank, size, store, seconds=1000)
placement = place_experts(4)
begin = time.monotonic()
try:
    for step in range(2):
        if rank == 1 and step == 1 and {where!r} == "before dispatch":
            os.kill(os.getpid(), signal.SIGKILL)
        hidden = torch.ones(4, 2, requires_grad=True)
        dispatched = dispatch(hidden, torch.arange(4)[:, None], torch.ones(4, 1), placement)
        if rank == 1 and step == 1 and {where!r} == "before combine":
            raise ValueError("the experts failed")
        sums = combine(dispatched.rows, dispatched)
        if rank == 1 and step == 1 and {where!r} == "before backward":
            os.kill(os.getpid(), signal.SIGKILL)
        sums.sum().backward()
except RuntimeError as error:
    print(type(error).__name__, error, flush=True)
    # Gloo's threads may end the process when Python ends after such an error, with plain calls of PyTorch too.
    os._exit(0)
"""


@pytest.mark.parametrize("where", ["before dispatch", "before combine", "before backward"])
def test_the_others_raise(tmp_path, where):
    processes = ranks.start(["-c", PROGRAM.format(where=where)], 2, tmp_path)
    (lines, stderr), (_, other_stderr) = ranks.outputs(processes, timeout=100)
    assert re.search("Connection (closed|reset) by peer", lines), (lines, stderr, other_stderr)
    assert processes[0].returncode == 0
    assert processes[1].returncode != 0
