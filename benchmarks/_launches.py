"""A process of its own for ``device.py``: launches on the device that the environment names.

Takes cases as JSON, ``[[operator, T, K, E, A, H, distribution, launches], ...]``, and prints as JSON what the device is
and what kernels read from its DRAM and wrote to it, where it counts that. A simulator says at the end of the process
how many clocks passed.
"""

import json
import sys

import torch

import torch_moe_ttnn  # noqa: F401 - registers the operators and the device
from torch_moe_ttnn.testing import make_choices


def call_of(operator, tokens, top_k, num_experts, alignment, hidden, distribution):
    """Return a function that launches, its arguments on the device."""
    ids, weights = make_choices(tokens, top_k, num_experts, distribution=distribution, id_dtype=torch.uint32)
    if operator == "permute":
        grouped_tokens = torch.ops.moe.prepare_grouping(ids, weights, num_experts, alignment=alignment)[2]
        rows = torch.zeros(tokens, hidden, dtype=torch.bfloat16).to("tt"), grouped_tokens.to("tt")
        return lambda: torch.ops.moe.permute(*rows)
    choices = ids.to("tt"), weights.to("tt")
    options = {"alignment": alignment} if operator == "prepare_grouping" else {}
    return lambda: getattr(torch.ops.moe, operator)(*choices, num_experts, **options)


def main() -> None:
    """Do as the module says."""
    cases = json.loads(sys.argv[1])
    calls = [call_of(*case) for *case, _ in cases]
    properties = torch.tt.get_device_properties()
    traffic = []
    for (operator, *_, launches), call in zip(cases, calls, strict=True):
        before = torch.tt.num_launches()
        counted = torch.tt.dram_traffic() if properties.runtime == "emulated" else None
        for _ in range(launches):
            call()
        if torch.tt.num_launches() - before != launches:
            raise SystemExit(f"{operator}: expected one launch a call, got {torch.tt.num_launches() - before}")
        if counted is not None:
            traffic.append([after - at for after, at in zip(torch.tt.dram_traffic(), counted, strict=True)])
    torch.tt.synchronize()
    report = {"name": properties.name, "architecture": properties.architecture, "grid": properties.grid}
    print(json.dumps(report | {"traffic": traffic}))


if __name__ == "__main__":
    main()
