"""A process of its own for ``device.py``: launches on the device that the environment names.

Takes cases as JSON, ``[[operator, T, K, E, launches], ...]``, and prints as JSON what the device is and what kernels
read from its DRAM and wrote to it, where it counts that. A simulator says at the end of the process how many clocks
passed.
"""

import json
import sys

import torch

import torch_moe_ttnn  # noqa: F401 - registers the operators and the device
from torch_moe_ttnn.testing import make_choices


def main() -> None:
    """Do as the module says."""
    cases = json.loads(sys.argv[1])
    inputs = [
        [tensor.to("tt") for tensor in make_choices(tokens, top_k, num_experts, id_dtype=torch.uint32)]
        for _, tokens, top_k, num_experts, _ in cases
    ]
    properties = torch.tt.get_device_properties()
    traffic = []
    for (operator, _, _, num_experts, launches), (ids, weights) in zip(cases, inputs, strict=True):
        before = torch.tt.num_launches()
        counted = torch.tt.dram_traffic() if properties.runtime == "emulated" else None
        for _ in range(launches):
            getattr(torch.ops.moe, operator)(ids, weights, num_experts)
        if torch.tt.num_launches() - before != launches:
            raise SystemExit(f"{operator}: expected one launch a call, got {torch.tt.num_launches() - before}")
        if counted is not None:
            traffic.append([after - at for after, at in zip(torch.tt.dram_traffic(), counted, strict=True)])
    torch.tt.synchronize()
    report = {"name": properties.name, "architecture": properties.architecture, "grid": properties.grid}
    print(json.dumps(report | {"traffic": traffic}))


if __name__ == "__main__":
    main()
