"""After a fork the device belongs to the parent."""

import textwrap

import pytest

from support import processes

pytestmark = [pytest.mark.dispatch, pytest.mark.usefixtures("room_to_fork")]

ERROR = (
    "Cannot use tt devices in a forked subprocess whose parent had opened one. To use tt with multiprocessing, "
    "you must use the 'spawn' start method"
)

USES = [
    "tensor.cpu()",
    "tensor.to('tt')[0].item()",
    "tensor + 1",
    "tensor.clone()",
    "tensor.fill_(1)",
    "tensor.copy_(torch.ones(2))",
    "print(tensor)",
    "torch.ones(2, device='tt')",
    "torch.ones(2).to('tt')",
    "torch.empty(0, device='tt')",
    "torch.tt.synchronize()",
    "torch.accelerator.synchronize()",
    "torch.tt.init()",
    "torch.tt.get_device_name()",
    "torch.tt.memory_allocated()",
    "torch.tt.empty_cache()",
    "torch.tt.num_launches()",
]


def in_child(code: str, before: str) -> str:
    """Return what code prints in a child that forked after `before`."""
    script = textwrap.dedent(
        """
        import os, sys, torch, torch_moe_ttnn
        {before}
        child = os.fork()
        if child == 0:
        {code}
            sys.exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        """
    ).format(before=before, code=textwrap.indent(code, "    "))
    return processes.output(script)


def test_uses_after_a_fork():
    code = "\n".join(f"try: {use}; print('worked')\nexcept RuntimeError as error: print(error)" for use in USES)
    lines = in_child(code, "tensor = torch.ones(2, device='tt')").splitlines()
    assert dict(zip(USES, lines, strict=True)) == dict.fromkeys(USES, ERROR)


def test_what_a_child_can_do():
    code = (
        "assert torch.tt._is_in_bad_fork() and not torch.tt.is_initialized()\n"
        "del tensor\n"
        "torch.manual_seed(0)\n"
        "assert (torch.ones(2) + 1).tolist() == [2, 2]\n"
        "torch.ones(2, requires_grad=True).sum().backward()\n"
        "print('done')"
    )
    assert in_child(code, "tensor = torch.ones(2, device='tt')") == "done"


def test_a_fork_before_the_device_was_opened():
    code = "print(torch.ones(2, device='tt').tolist(), torch.tt._is_in_bad_fork())"
    assert in_child(code, "torch.tt.device_count(); torch.manual_seed(0)") == "[1.0, 1.0] False"


def test_data_loader_workers_that_fork():
    """Workers that leave the device alone work, and so does their parent afterwards."""
    code = textwrap.dedent(
        """
        import torch, torch_moe_ttnn
        tensor = torch.ones(2, device="tt")
        loader = torch.utils.data.DataLoader(
            torch.arange(8), batch_size=4, num_workers=2, multiprocessing_context="fork"
        )
        print([(batch.to("tt") + tensor[0]).tolist() for batch in loader])
        """
    )
    assert processes.output(code) == "[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]"
