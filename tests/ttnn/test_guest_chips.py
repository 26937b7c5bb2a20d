"""Two chips and more: each is a device of its own, or none."""

import pytest
from beside import TWO_CHIPS, needs_ttnn_and_chip, needs_two_chips, printed

pytestmark = [needs_ttnn_and_chip, needs_two_chips]


def test_both_are_borrowed():
    lines = printed(
        """
        devices = ttnn.CreateDevices([0, 1])
        of_ttnn = [to_ttnn(HOST + chip, devices[chip]) for chip in (0, 1)]
        print(torch.tt.device_count())
        on_tt = [(HOST + 2 + chip).to(f"tt:{chip}") for chip in (0, 1)]
        print(*(wrong(of_ttnn[chip], HOST + chip) + wrong(on_tt[chip], HOST + 2 + chip) for chip in (0, 1)))
        print(wrong(on_tt[0].to("tt:1"), HOST + 2), route())
        ttnn.CloseDevices(devices)
        print(*(refusal(tensor.cpu)[:25] for tensor in on_tt))
        """,
        **TWO_CHIPS,
    )
    assert lines == ["2", "0 0", "0 True", "chip 0 was closed by ttnn chip 1 was closed by ttnn"]


def test_one_is_borrowed():
    """TT-Metalium stops the dispatch of all chips when it closes one: none is opened beside ttnn's."""
    lines = printed(
        """
        device = ttnn.open_device(device_id=0)
        of_ttnn = to_ttnn(HOST, device)
        print(torch.tt.device_count(), wrong(HOST.to("tt:0")))
        print(refusal(torch.ones, 3, device="tt:1"))
        print(wrong(of_ttnn))
        ttnn.close_device(device)
        """,
        **TWO_CHIPS,
    )
    assert lines[0] == "2 0"
    assert lines[1].startswith(
        "cannot use chip 1 beside ttnn, which has or had chips of this process open, but not this"
    )
    assert lines[2] == "0"


@pytest.mark.parametrize("chip", [0, 1])
def test_ttnn_opens_second(chip):
    """``tt`` takes all chips with the first."""
    lines = printed(
        f"""
        on_tt = HOST.to("tt:0")
        print(refusal(ttnn.open_device, device_id={chip})[:40])
        print(refusal(ttnn.open_mesh_device, ttnn.MeshShape(1, 2))[:40])
        print(wrong(on_tt))
        """,
        **TWO_CHIPS,
    )
    assert lines == ["ttnn cannot open a device in this proces"] * 2 + ["0"]


def test_a_mesh_and_its_parts():
    lines = printed(
        """
        whole = ttnn.open_mesh_device(ttnn.MeshShape(1, 2))
        print(refusal(torch.ones, 3, device="tt:0"))
        # Not written: in fast dispatch, parts of a mesh whose queue was used cannot be closed.
        on_whole = ttnn.allocate_tensor_on_device(
            ttnn.Shape([32, 32]), ttnn.uint32, ttnn.ROW_MAJOR_LAYOUT, whole, ttnn.DRAM_MEMORY_CONFIG
        )
        parts = whole.create_submeshes(ttnn.MeshShape(1, 1))
        print(refusal(torch.ones, 3, device="tt:1"))
        del on_whole
        of_ttnn = [to_ttnn(HOST + i, part) for i, part in enumerate(parts)]
        on_tt = [HOST.to(f"tt:{part.get_device_ids()[0]}") for part in parts]
        print(sum(map(wrong, on_tt)), sum(wrong(tensor, HOST + i) for i, tensor in enumerate(of_ttnn)))
        print(refusal(whole.create_submesh, ttnn.MeshShape(1, 1))[:52])
        for part in parts:
            ttnn.close_mesh_device(part)
        print(refusal(on_tt[1].cpu)[:25])
        ttnn.close_mesh_device(whole)
        """,
        **TWO_CHIPS,
    )
    assert lines[0].startswith(
        "chip 0 is open in this process as a part of MeshDevice(1x2 grid, 2 devices), but a tt device"
    )
    assert lines[1].startswith(
        "chip 1 is used through a mesh that is part of MeshDevice(1x2 grid, 2 devices), and that one"
    )
    assert lines[2:4] == ["0 0", "expected submeshes to be made before the first use o"]
    assert lines[4].startswith("chip ")
    assert lines[4].endswith(" was closed by ttnn")
