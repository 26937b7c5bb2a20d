"""The clocks of launches. A simulator counts them, one about an instruction, and says them when its process ends."""

import os

from torch_moe_ttnn._cli.launches import Case, clocks_of
from torch_moe_ttnn._cli.verify.check import Check, Details, Setting, SkippedError, require, table

_CASES = (
    Case("prepare_mapping", 32, 8, 128),
    Case("prepare_routing", 32, 8, 128),
    Case("prepare_grouping", 32, 8, 128, 32),
    Case("permute", 32, 8, 128, hidden=2048),
)
_FURTHER_CASES = tuple(case._replace(tokens=1024) for case in _CASES)


def _clocks(setting: Setting) -> Details:
    if os.environ.get("TORCH_TT_RUNTIME") == "emulated" or not os.environ.get("TT_METAL_SIMULATOR"):
        raise SkippedError("only a simulator counts clocks; on a card, see the times")
    if "TT_METAL_SLOW_DISPATCH_MODE" not in os.environ:
        raise SkippedError("in fast dispatch a simulator's count depends on the host's timing")
    rows = []
    for case in (*_CASES, *(_FURTHER_CASES if setting.full else ())):
        setting.at(f"{case.operator}, T = {case.tokens}")
        clocks, _ = clocks_of([case])
        require(clocks[case] > 0, f"expected {case} to take clocks, got {clocks[case]}")
        rows.append((case.operator, case.tokens, case.top_k, case.num_experts, case.options, clocks[case]))
    return {"clocks": table(("operator", "T", "K", "E", "with", "clocks of a launch"), rows)}


CHECKS = [Check("clocks", "Of a launch on a simulated chip, in slow dispatch, on all cores.", _clocks)]
