"""``tt`` has opened the chip, and something else would open it a second time: an error, and never two allocators."""

import os
from pathlib import Path

import pytest
from beside import needs_ttnn_and_chip, printed

pytestmark = needs_ttnn_and_chip

OPENING = """
openers = [
    lambda: ttnn.open_device(device_id=0),
    lambda: ttnn.CreateDevice(0),
    lambda: ttnn.CreateDevices([0]),
    lambda: ttnn.open_mesh_device(ttnn.MeshShape(1, 1)),
    lambda: ttnn.manage_device(0).__enter__(),
    lambda: ttnn.create_mesh_device(ttnn.MeshShape(1, 1)).__enter__(),
    lambda: ttnn.device.open_device(device_id=0),
    lambda: ttnn._ttnn.device.open_device(device_id=0),
]
"""


@pytest.mark.parametrize(
    "imports",
    [
        "import torch_moe_ttnn, ttnn; mine = ttnn.open_device",
        "import ttnn; mine = ttnn.open_device; import torch_moe_ttnn",
    ],
)
def test_ttnn_opens_second(imports):
    """Every way in, through a name that was imported before too; ``tt`` goes on."""
    lines = printed(
        f"""
        {OPENING.strip()}
        on_tt = HOST.to("tt")


        print(len(set(map(refusal, openers))), refusal(openers[0]))
        print(refusal(mine, device_id=0) == refusal(openers[0]))
        print(wrong(on_tt), route())
        """.replace("\n        ", "\n"),
        imports,
    )
    count, _, message = lines[0].partition(" ")
    assert count == "1"
    assert message == (
        "ttnn cannot open a device in this process, for tt:0 is open with a memory of its own, and each would "
        "overwrite the other's tensors. Open the device with ttnn before the first use of tt, which then uses ttnn's"
    )
    assert lines[1:] == ["True", "0 True"]


def test_ttnn_imported_after_the_device_was_opened():
    lines = printed(
        """
        on_tt = HOST.to("tt")
        import ttnn
        print(refusal(ttnn.open_device, device_id=0)[:40])
        print(wrong(on_tt))
        """,
        "import torch_moe_ttnn",
    )
    assert lines == ["ttnn cannot open a device in this proces", "0"]


def test_a_way_in_that_asks_nobody():
    """As C++ has it: ``tt`` stops at once, before it reads or writes what may be another's."""
    lines = printed(
        """
        on_tt = HOST.to("tt")
        device = ttnn.open_device.__wrapped__(device_id=0)
        print(refusal(on_tt.cpu))
        print(refusal(torch.ones, 3, device="tt"))
        print(refusal(torch.tt.synchronize))
        kept = to_ttnn(HOST, device)
        del on_tt
        torch.tt.empty_cache()
        print(wrong(kept))
        sys.stdout.flush()
        os._exit(0)  # what has two meshes does not end well
        """
    )
    *refusals, intact = lines
    assert len(refusals) == 3
    for message in refusals:
        assert message.startswith(
            "chip 0 was opened a second time in this process while tt used it, and what is in its"
        )
    assert intact == "0"


def test_both_at_the_same_time():
    lines = printed(
        """
        from torch_moe_ttnn._C import tt
        tt.begin_opening_elsewhere()
        print(refusal(torch.ones, 3, device="tt"))
        tt.end_opening_elsewhere()
        print(refusal(torch.ones, 3, device="tt"))
        """
    )
    assert lines == [
        "cannot open tt:0 while ttnn opens a device: wait until it has, and tt will use the same",
        "no error",
    ]


OTHER = os.environ.get("TTNN_OTHER_WHEEL", "")
"""The folder of an unpacked wheel of ttnn, of another release than the one that torch_moe_ttnn was built with."""


@pytest.mark.skipif(not OTHER, reason="TTNN_OTHER_WHEEL names no ttnn of another release")
def test_ttnn_of_another_release():
    (metadata,) = Path(OTHER).glob("ttnn-*.dist-info")
    release = metadata.name.removeprefix("ttnn-").removesuffix(".dist-info")
    lines = printed(
        """
        print(refusal(torch.ones, 3, device="tt"))
        print(ttnn.get_arch_name())
        """,
        PYTHONPATH=f"{Path(__file__).parents[2]}:{OTHER}",
        TT_METAL_RUNTIME_ROOT=f"{OTHER}/ttnn",
    )
    assert lines[0].startswith("the metal runtime of torch_moe_ttnn was built with TT-Metalium ")
    assert f"but the one in this process is {release} (build " in lines[0]
    assert len(lines) == 2


def test_what_ttnn_sets_apart_in_l1():
    """``l1_small_size`` is the end of a core's L1, where circular buffers of tt would reach."""
    lines = printed(
        """
        device = ttnn.open_device(device_id=0, l1_small_size=65536)
        grid = device.compute_with_storage_grid_size()
        host = torch.arange(grid.x * grid.y * 32 * 256, dtype=torch.int32).reshape(-1, 256)
        shards = ttnn.ShardSpec(
            ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(grid.x - 1, grid.y - 1))]),
            [32, 256], ttnn.ShardOrientation.ROW_MAJOR)
        config = ttnn.MemoryConfig(ttnn.TensorMemoryLayout.HEIGHT_SHARDED, ttnn.BufferType.L1_SMALL, shards)
        small = ttnn.from_torch(host, dtype=ttnn.uint32, layout=ttnn.ROW_MAJOR_LAYOUT, device=device,
                                memory_config=config)
        from torch_moe_ttnn.testing import make_choices
        ids, weights = (tensor.to("tt") for tensor in make_choices(8192, 8, 128))
        torch_moe_ttnn.prepare_routing(ids, weights, 128)
        torch_moe_ttnn.permute(torch.ones(64, 7168, device="tt"), torch.arange(64, dtype=torch.int32).to("tt"))
        torch.tt.synchronize()
        print(wrong(small, host))
        """
    )
    assert lines == ["0"]
