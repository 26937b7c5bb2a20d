"""``from_ttnn`` and ``to_ttnn``: one memory for both, and either may let go of it first."""

import pytest
from beside import needs_ttnn_and_chip, printed

pytestmark = needs_ttnn_and_chip

IMPORTS = """
import gc, torch, torch_moe_ttnn, ttnn
from torch_moe_ttnn.ttnn import from_ttnn, to_ttnn as back

def error(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except (ValueError, RuntimeError) as error:
        return type(error).__name__ + ": " + str(error).partition(chr(10))[0]
    return "no error"
"""


def test_memory_is_shared():
    lines = printed(
        """
        device = ttnn.open_device(device_id=0)
        of_ttnn = to_ttnn(HOST, device)
        on_tt = from_ttnn(of_ttnn, copy=False)
        print(on_tt.dtype, tuple(on_tt.shape), on_tt.device, wrong(on_tt))
        print(back(on_tt) is of_ttnn, back(on_tt.detach()) is of_ttnn, back(on_tt.view(-1)[:4], device) is of_ttnn)
        on_tt.copy_((HOST + 5).to(torch.uint32))
        print(wrong(of_ttnn, HOST + 5))
        ttnn.copy_host_to_device_tensor(
            ttnn.from_torch(HOST + 7, dtype=ttnn.uint32, layout=ttnn.ROW_MAJOR_LAYOUT), of_ttnn)
        print(wrong(on_tt, HOST + 7), wrong(on_tt[3:5, 2:], (HOST + 7)[3:5, 2:]))
        twice = from_ttnn(of_ttnn)
        twice[0, 0] = 99
        print(int(on_tt[0, 0].cpu()), torch.tt.memory_allocated())
        ttnn.close_device(device)
        """,
        IMPORTS,
    )
    assert lines == ["torch.uint32 (128, 128) tt:0 0", "True True False", "0", "0 0", "99 0"]


def test_operators_on_memory_of_ttnn():
    lines = printed(
        """
        from torch_moe_ttnn.testing import make_choices
        device = ttnn.open_device(device_id=0)
        for experts, dtype in ((32, ttnn.uint32), (64, ttnn.int32)):
            ids, weights = make_choices(64, 32, experts)
            weights = weights.to(torch.bfloat16)
            lent = [ttnn.from_torch(tensor, dtype=kind, layout=ttnn.ROW_MAJOR_LAYOUT, device=device)
                    for tensor, kind in ((ids.to(torch.int32), dtype), (weights, ttnn.bfloat16))]
            on_tt = [from_ttnn(tensor, copy=False) for tensor in lent]
            for operator in (torch_moe_ttnn.prepare_mapping, torch_moe_ttnn.prepare_routing):
                outputs, expected = (operator(*inputs, experts) for inputs in (on_tt, (ids, weights)))
                if isinstance(outputs, torch.Tensor):
                    outputs, expected = [outputs], [expected]
                print(all(torch.equal(a.cpu().view(torch.uint8), b.view(torch.uint8))
                          for a, b in zip(outputs, expected)))
                returned = [back(output, device) for output in outputs]
                print(all(torch.equal(ttnn.to_torch(a).double(), b.double()) for a, b in zip(returned, expected)))
        ttnn.close_device(device)
        """,
        IMPORTS,
    )
    assert lines == ["True"] * 8


def test_either_dies_first():
    lines = printed(
        """
        device = ttnn.open_device(device_id=0)
        def allocated():
            gc.collect()
            return ttnn.get_memory_view(device, ttnn.BufferType.DRAM).total_bytes_allocated_per_bank

        before = allocated()
        of_ttnn = to_ttnn(HOST, device)
        on_tt = from_ttnn(of_ttnn)
        with_it = allocated()
        del of_ttnn
        others = [to_ttnn(HOST + i, device) for i in range(4)]
        print(allocated() > with_it > before, wrong(on_tt), wrong(back(on_tt)))
        del others
        print(allocated() == with_it)
        view = on_tt[2:]
        del on_tt
        print(allocated() == with_it, wrong(view, HOST[2:]))
        del view
        print(allocated() == before)

        of_ttnn = to_ttnn(HOST, device)
        on_tt = from_ttnn(of_ttnn)
        del on_tt
        print(allocated() == with_it, wrong(of_ttnn))
        kept = from_ttnn(of_ttnn)
        ttnn.close_device(device)
        print(error(kept.cpu)[:40])
        device = ttnn.open_device(device_id=0)
        again = HOST.to("tt")
        print(error(kept.cpu)[:40])
        del kept, of_ttnn
        gc.collect()
        print(wrong(again))
        left = from_ttnn(to_ttnn(HOST, device))
        print(wrong(left))
        """,
        IMPORTS,
    )
    assert lines == [
        "True 0 0",
        "True",
        "True 0",
        "True",
        "True 0",
        "RuntimeError: chip 0 was closed by ttnn,",
        "RuntimeError: expected an address of tt ",
        "0",
        "0",
    ]


@pytest.mark.parametrize(
    ("shape", "dtype", "on_device"),
    [
        ((64, 3), "int32", True),
        ((32, 48), "bfloat16", True),
        ((2, 8, 20), "uint16", False),
        ((4, 2048), "float32", True),
        ((5, 3), "int32", False),
        ((64, 3), "uint8", False),
    ],
)
def test_a_copy_is_made_on_the_device(shape, dtype, on_device):
    lines = printed(
        f"""
        device = ttnn.open_device(device_id=0)
        host = (torch.arange(torch.Size({shape}).numel()).reshape({shape}) % 100).to(torch.{dtype})
        of_ttnn = ttnn.from_torch(host, dtype=ttnn.{dtype}, layout=ttnn.ROW_MAJOR_LAYOUT, device=device)
        to_torch, reads = ttnn.to_torch, []
        ttnn.to_torch = lambda *args, **kwargs: reads.append(1) or to_torch(*args, **kwargs)
        on_tt = from_ttnn(of_ttnn)
        returned = back(on_tt, device)
        print(len(reads) == {int(not on_device)}, tuple(on_tt.shape), on_tt.dtype)
        print(bool((on_tt.cpu().double() == host.double()).all()), bool((to_torch(returned).double() == host).all()))
        on_tt.zero_()
        print(bool((to_torch(of_ttnn).double() == host.double()).all()))
        ttnn.close_device(device)
        """,
        IMPORTS,
    )
    assert lines == [f"True {shape} torch.{dtype}", "True True", "True"]


@pytest.mark.parametrize("columns", [3, 8, 24, 2048])
def test_a_copy_where_pages_differ(columns):
    lines = printed(
        f"""
        device = ttnn.open_device(device_id=0)
        host = torch.arange(5 * {columns}, dtype=torch.int32).reshape(1, 5, {columns})
        of_ttnn = to_ttnn(host, device)
        on_tt = from_ttnn(of_ttnn)
        print(tuple(on_tt.shape), wrong(on_tt, host), error(from_ttnn, of_ttnn, copy=False))
        on_tt.zero_()
        print(wrong(of_ttnn, host), wrong(back(on_tt, device), host * 0))
        ttnn.close_device(device)
        """,
        IMPORTS,
    )
    assert lines[0] == (
        f"(1, 5, {columns}) 0 ValueError: expected rows of a power of two between 64 and 4096 bytes, which are pages "
        f"of tt too, got rows of {4 * columns} bytes in a tensor of shape [1, 5, {columns}]: leave out copy=False"
    )
    assert lines[1] == "0 0"


def test_what_cannot_be_shared():
    lines = printed(
        """
        device = ttnn.open_device(device_id=0)
        host = ttnn.from_torch(HOST, dtype=ttnn.uint32, layout=ttnn.ROW_MAJOR_LAYOUT)
        print(error(from_ttnn, HOST))
        print(error(from_ttnn, host))
        l1 = ttnn.to_device(host, device, memory_config=ttnn.L1_MEMORY_CONFIG)
        print(error(from_ttnn, l1))
        tiled = ttnn.from_torch(HOST.float(), dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device)
        print(error(from_ttnn, tiled))
        small = ttnn.from_torch(HOST.float(), dtype=ttnn.bfloat8_b, layout=ttnn.TILE_LAYOUT, device=device)
        print(error(from_ttnn, small))
        freed = to_ttnn(HOST, device)
        ttnn.deallocate(freed)
        print(error(from_ttnn, freed))
        print(error(back, HOST))
        print(error(back, torch.ones(3, dtype=torch.float64, device="tt"), device))
        print(error(back, torch.ones(3, device="tt")))
        ttnn.close_device(device)
        """,
        IMPORTS,
    )
    begins = [
        "ValueError: expected a ttnn.Tensor, got Tensor",
        "ValueError: expected a tensor that is allocated on a device, got one that is not: call ttnn.to_device",
        "ValueError: expected a tensor interleaved in DRAM, got MemoryConfig(",
        "ValueError: expected ROW_MAJOR, got Layout.TILE: call ttnn.to_layout(tensor, ttnn.ROW_MAJOR_LAYOUT)",
        "ValueError: expected one of bfloat16, float32, int32, uint8, uint16, uint32, got DataType.BFLOAT8_B: call",
        "ValueError: expected a tensor that is allocated on a device, got one that is not: call ttnn.to_device",
        "ValueError: expected a tensor on tt, got one on cpu",
        "ValueError: expected one of torch.bfloat16, torch.float32, torch.int32, torch.uint8, torch.uint16, torch",
        "ValueError: expected ttnn's device, to allocate on it: the tensor's memory is not ttnn's own",
    ]
    assert len(lines) == len(begins)
    for line, begin in zip(lines, begins, strict=True):
        assert line.startswith(begin)


def test_tt_has_a_chip_of_its_own():
    """Nobody lends memory to the emulated device."""
    lines = printed(
        """
        device = ttnn.open_device(device_id=0)
        print(error(from_ttnn, to_ttnn(HOST, device)))
        ttnn.close_device(device)
        """,
        IMPORTS,
        TORCH_TT_RUNTIME="emulated",
    )
    assert lines == [
        "RuntimeError: expected memory of a chip that other code of this process has opened, as ttnn; none is lent here"
    ]
