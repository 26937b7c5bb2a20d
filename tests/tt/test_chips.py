"""Two simulated chips, in slow and fast dispatch: each is a device, and what TT-Metalium would wait for is an error."""

import pytest

from support import metalium, processes

pytestmark = [pytest.mark.chip, metalium.needs_simulator]


@pytest.fixture(scope="module")
def description() -> str:
    return metalium.two_chips().read_text()


@pytest.fixture
def described(description, tmp_path):
    """Return the environment in which two chips are simulated, after some words of their description were replaced."""

    def described(*replacements: tuple[str, str], slow: bool = False, **environment: str | None) -> dict:
        text = description
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "chips.yaml"
        path.write_text(text)
        return {
            "TT_METAL_MOCK_CLUSTER_DESC_PATH": str(path),
            "TT_METAL_SLOW_DISPATCH_MODE": "1" if slow else None,
            "TT_METAL_DRAM_BACKED_CQ": None,
        } | environment

    return described


USE_BOTH = """
import torch, torch_moe_ttnn
from torch_moe_ttnn.testing import make_choices
print(torch.tt.device_count(), torch.tt.get_device_properties(1) == torch.tt.get_device_properties(0))
host = [torch.arange(100_000) * (chip + 1) for chip in (0, 1)]
memory = [values.to(f"tt:{chip}") for chip, values in enumerate(host)]
choices = [make_choices(64, 4, 32, seed=chip) for chip in (0, 1)]
mapped = [torch_moe_ttnn.prepare_mapping(*(t.to(f"tt:{chip}") for t in choices[chip]), 32) for chip in (0, 1)]
# Launched on both before the first is waited for; the second one first.
for chip in (1, 0):
    expected = torch_moe_ttnn.prepare_mapping(*choices[chip], 32)
    moved = memory[chip].to(f"tt:{1 - chip}")
    print(
        mapped[chip].device,
        torch.equal(mapped[chip].cpu(), expected),
        torch.equal(memory[chip].cpu(), host[chip]),
        torch.equal(moved.cpu(), host[chip]),
    )
torch.tt.synchronize(0)
torch.tt.synchronize(1)
"""


@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
def test_both(described, slow):
    lines = processes.output(USE_BOTH, **described(slow=slow)).splitlines()
    assert lines == ["2 True", "tt:1 True True True", "tt:0 True True True"]


def test_the_second_alone(described):
    code = "import torch, torch_moe_ttnn; print(torch.ones(3).to('tt:1').cpu().sum().item())"
    assert processes.output(code, **described()) == "3.0"


USE = "import torch, torch_moe_ttnn; torch.ones(2).to('tt')"


def test_command_queues_in_host_memory(described):
    """TT-Metalium, which has one host memory for all simulated chips, would wait without end."""
    message = processes.error(USE, **described(TT_METAL_DRAM_BACKED_CQ="0"))
    assert message.startswith(
        "RuntimeError: cannot open 2 Tenstorrent device(s) through TT-Metalium: TT_METAL_DRAM_BACKED_CQ: expected 1, "
    )
    assert message.endswith(", got '0'; correct it or unset it")


def test_a_chip_behind_another(described, description):
    """As the second one of an n300 is."""
    board = (
        "board_id: 0x44000000001, board_type: p300"
        if "p150" in description
        else "board_id: 0x14000000001, board_type: n300"
    )
    message = processes.error(
        USE,
        **described(
            ("chips: {}", "chips: {0: [0, 0, 0, 0], 1: [1, 0, 0, 0]}"),
            ("chips_with_mmio: [0: 0, 1: 1]", "chips_with_mmio: [0: 0]"),
            (description[description.index("boards:") :], f"boards:\n  - [{board}, chips: [0, 1]]\n"),
        ),
    )
    assert message.startswith(
        "RuntimeError: simulated chip 1 is reached through chip 0, over an Ethernet that TT-Metalium does not simulate "
        "in fast dispatch: list all chips under chips_with_mmio in the file that "
    )


def test_chips_that_are_not_connected(described, description):
    """TT-Metalium opens one of them, or none: each needs a process that sees it alone."""
    connections = description[description.index("  - [{") : description.index("chips_with_mmio")]
    environment = described((f"ethernet_connections:\n{connections}", "ethernet_connections: []\n"), slow=True)
    process = processes.run(USE, **environment)
    assert process.returncode == 1
    message = process.stderr.strip().splitlines()[-1]
    assert "Physical chip id 1 not found in control plane chip mapping" in message
    assert message.endswith(
        "let it see those that are, as with TT_VISIBLE_DEVICES=0, and use another process for the others"
    )
    code = "import torch, torch_moe_ttnn; print(torch.tt.device_count(), torch.ones(3).to('tt').cpu().sum().item())"
    for chip in "01":
        assert processes.output(code, TT_VISIBLE_DEVICES=chip, **environment) == "1 3.0"
