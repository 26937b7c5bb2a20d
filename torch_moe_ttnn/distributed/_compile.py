"""Keeps ``torch.compile`` from tracing what waits for other ranks."""

from torch_moe_ttnn._when_imported import when_imported


def leave_out_of_graphs() -> None:
    """Have Dynamo, which is imported when it is first used, end a graph at a call of this package.

    The sizes of what travels are numbers on the host, known after an exchange.
    """
    when_imported("torch._dynamo", _skip)


def _skip() -> None:
    from torch._dynamo import trace_rules

    trace_rules.add("torch_moe_ttnn.distributed")
