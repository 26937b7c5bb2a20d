"""ttnn opens the chip and ``tt`` uses it too: one mesh, one allocator, and ttnn may close it when it likes."""

import os

import pytest
from beside import needs_ttnn_and_chip, printed

pytestmark = needs_ttnn_and_chip

CLOSED = "chip 0 was closed by ttnn, which had opened it; nothing that tt had on it can be used any more."


@pytest.mark.parametrize("imports", ["import torch_moe_ttnn, ttnn", "import ttnn, torch_moe_ttnn"])
def test_neither_overwrites_the_other(imports):
    """With an allocator of its own, ``tt`` overwrote every value of ttnn's tensor."""
    lines = printed(
        """
        device = ttnn.open_device(device_id=0)
        before = to_ttnn(HOST, device)
        large = torch.arange(250_000, dtype=torch.int32)
        on_tt = large.to("tt")
        after = to_ttnn(HOST + 1, device)
        torch.tt.empty_cache()
        print(wrong(before), wrong(on_tt, large), wrong(after, HOST + 1), route())
        del on_tt
        torch.tt.empty_cache()
        reused = [to_ttnn(HOST + i, device) for i in range(20)]
        again = large.to("tt")
        print(wrong(again, large), sum(wrong(tensor, HOST + i) for i, tensor in enumerate(reused)), wrong(before))
        ttnn.close_device(device)
        """,
        imports,
    )
    assert lines == ["0 0 0 True", "0 0 0"]


def test_memory_of_both_counts():
    """What ttnn has allocated is not free for ``tt``."""
    lines = printed(
        """
        device = ttnn.open_device(device_id=0)
        total = torch.tt.mem_get_info()[1]
        half = ttnn.allocate_tensor_on_device(
            ttnn.Shape((total // 2 // 4096, 1024)), ttnn.uint32, ttnn.ROW_MAJOR_LAYOUT, device, ttnn.DRAM_MEMORY_CONFIG)
        print("out of memory" in refusal(torch.empty, total * 3 // 4, dtype=torch.uint8, device="tt"))
        del half
        print(refusal(torch.empty, total * 3 // 4, dtype=torch.uint8, device="tt"))
        ttnn.close_device(device)
        """
    )
    assert lines == ["True", "no error"]


def test_ttnn_closes_first():
    """What was on it is an error, and the device can be opened again."""
    lines = printed(
        """
        device = ttnn.open_device(device_id=0)
        old = HOST.to("tt")
        empty = torch.empty(0, device="tt")
        torch.tt.synchronize()
        ttnn.close_device(device)
        print(refusal(old.cpu))
        print(refusal(torch.tt.synchronize))
        print(refusal(torch.ones, 3, device="tt"))
        device = ttnn.open_device(device_id=0)
        print(wrong(HOST.to("tt")), route())
        print(refusal(old.cpu))
        kept = to_ttnn(HOST, device)
        del old, empty
        gc.collect()
        torch.tt.empty_cache()
        new = [HOST.add(i).to("tt") for i in range(8)]
        print(wrong(kept), sum(wrong(tensor, HOST + i) for i, tensor in enumerate(new)))
        ttnn.close_device(device)
        """
    )
    closed, synchronized, opened, *rest = lines
    assert closed.startswith(CLOSED)
    assert synchronized.startswith(CLOSED)
    assert opened.startswith("cannot use chip 0 beside ttnn, which has or had chips of this process open, but not this")
    assert rest[0] == "0 True"
    assert rest[1].startswith("expected an address of tt memory, got 0x")
    assert rest[1].endswith("which is none, or was before ttnn closed the device: make the tensor anew")
    assert rest[2:] == ["0 0"]


def test_a_device_that_nobody_closed():
    """``tt`` keeps no device of ttnn's open."""
    lines = printed(
        """
        device = ttnn.open_device(device_id=0)
        old = HOST.to("tt")
        del device
        gc.collect()
        print(refusal(old.cpu))
        device = ttnn.open_device(device_id=0)
        kept = to_ttnn(HOST, device)
        print(wrong(HOST.to("tt")), wrong(kept))
        """
    )
    assert lines[0].startswith(CLOSED)
    assert lines[1:] == ["0 0"]


@pytest.mark.parametrize("last", ["", "ttnn.close_device(device)", "del on_tt", "del of_ttnn", "del device"])
def test_exit(last):
    """Whatever is left, and in whatever order it goes, the process ends well."""
    lines = printed(
        f"""
        device = ttnn.open_device(device_id=0)
        of_ttnn = to_ttnn(HOST, device)
        on_tt = HOST.to("tt")
        print(route(), wrong(on_tt), wrong(of_ttnn))
        {last}
        """
    )
    assert lines == ["True 0 0"]


def test_a_submesh_is_a_device():
    lines = printed(
        """
        whole = ttnn.open_mesh_device(ttnn.MeshShape(1, 1))
        part = whole.create_submesh(ttnn.MeshShape(1, 1))
        on_tt, of_ttnn = HOST.to("tt"), to_ttnn(HOST + 1, part)
        print(wrong(on_tt), wrong(of_ttnn, HOST + 1))
        print(refusal(whole.create_submesh, ttnn.MeshShape(1, 1)))
        print(refusal(part.create_submeshes, ttnn.MeshShape(1, 1)))
        ttnn.close_mesh_device(part)
        print(refusal(on_tt.cpu))
        print(wrong(HOST.to("tt")))
        ttnn.close_mesh_device(whole)
        """
    )
    intact, split, split_again, closed, whole = lines
    assert intact == "0 0"
    for message in (split, split_again):
        assert message.startswith("expected submeshes to be made before the first use of tt, but tt:0 uses a chip of")
    assert closed.startswith(CLOSED)
    assert whole == "0"


@pytest.mark.skipif(
    "TT_METAL_SLOW_DISPATCH_MODE" not in os.environ,
    reason="with fast dispatch TT-Metalium does not close a mesh and a part of it that both used their queue",
)
def test_tensors_on_a_mesh_and_on_its_part():
    """Each has an allocator of its own."""
    lines = printed(
        """
        whole = ttnn.open_mesh_device(ttnn.MeshShape(1, 1))
        tensor = to_ttnn(HOST, whole)
        part = whole.create_submesh(ttnn.MeshShape(1, 1))
        print(refusal(torch.ones, 3, device="tt"))
        del tensor
        on_tt = HOST.to("tt")
        print(wrong(on_tt))
        tensor = to_ttnn(HOST, whole)
        print(refusal(on_tt.cpu))
        del tensor
        ttnn.close_mesh_device(part)
        ttnn.close_mesh_device(whole)
        """
    )
    shared, intact, overwritten = lines
    assert shared.startswith(
        "chip 0 is used through a mesh that is part of MeshDevice(1x1 grid, 1 devices), and that one"
    )
    assert intact == "0"
    assert overwritten == shared


def test_two_submeshes_of_one_chip():
    lines = printed(
        """
        whole = ttnn.open_mesh_device(ttnn.MeshShape(1, 1))
        parts = [whole.create_submesh(ttnn.MeshShape(1, 1)) for _ in range(2)]
        print(refusal(torch.ones, 3, device="tt"))
        ttnn.close_mesh_device(parts.pop(0))
        """
    )
    assert lines[0].startswith(
        "expected chip 0 to be open in one mesh, but MeshDevice(1x1 grid, 1 devices) and MeshDevice("
    )


def test_the_emulated_device_has_no_chip():
    lines = printed(
        """
        on_tt = HOST.to("tt")
        device = ttnn.open_device(device_id=0)
        of_ttnn = to_ttnn(HOST, device)
        part = device.create_submesh(ttnn.MeshShape(1, 1))
        print(wrong(on_tt), wrong(of_ttnn), torch.tt.get_device_properties().runtime)
        ttnn.close_mesh_device(part)
        ttnn.close_device(device)
        print(wrong(on_tt))
        """,
        TORCH_TT_RUNTIME="emulated",
    )
    assert lines == ["0 0 emulated", "0"]


def test_check_asks_submeshes_too():
    lines = printed(
        """
        import torch_moe_ttnn.ttnn as moe
        device = ttnn.open_device(device_id=0)
        submesh = device.create_submesh(ttnn.MeshShape(1, 1))
        options = dict(layout=ttnn.ROW_MAJOR_LAYOUT, device=submesh)
        ids = ttnn.from_torch(torch.full((8, 2), 77, dtype=torch.int32), dtype=ttnn.int32, **options)
        moe.prepare_mapping(ids, ttnn.from_torch(torch.ones(8, 2), dtype=ttnn.float32, **options), 16)
        try:
            moe.check(device)
        except IndexError as error:
            print("got 77" in str(error))
        moe.check(device)
        """
    )
    assert lines == ["True"]
