"""Memory: addresses that only the device can follow, the cache, statistics, running out."""

import gc
import itertools
import re
import signal

import pytest
import torch

import torch_moe_ttnn
from support import processes

pytestmark = [pytest.mark.chip, pytest.mark.dispatch]

MIB = 2**20
UNIT = 3 * MIB
"""As many pages in every bank, whichever the chip and its grid: takes no more memory than its bytes."""


@pytest.fixture(autouse=True)
def fresh():
    """Start with an empty cache and peaks that are current."""
    gc.collect()
    torch.tt.empty_cache()
    torch.tt.reset_peak_memory_stats()
    torch.tt.reset_accumulated_memory_stats()


def empty(size: int, device="tt") -> torch.Tensor:
    return torch.empty(size, dtype=torch.uint8, device=device)


def test_allocated_and_freed():
    before = torch.tt.memory_allocated()
    tensor = empty(UNIT)
    assert torch.tt.memory_allocated() == before + UNIT
    view = tensor[UNIT // 3 :]
    del tensor
    assert torch.tt.memory_allocated() == before + UNIT
    del view
    assert torch.tt.memory_allocated() == before


def test_peak():
    before = torch.tt.memory_allocated()
    del [empty(2 * UNIT), empty(UNIT)][0:2]
    empty(UNIT)
    assert torch.tt.max_memory_allocated() >= before + 2 * UNIT
    torch.tt.reset_peak_memory_stats()
    assert torch.tt.max_memory_allocated() == before


def test_freed_memory_is_used_again():
    before = torch.tt.memory_reserved()
    address = empty(UNIT).data_ptr()
    assert torch.tt.memory_reserved() == before + UNIT
    assert empty(UNIT).data_ptr() == address
    assert empty(UNIT - UNIT // 10).data_ptr() == address
    assert torch.tt.memory_reserved() == before + UNIT
    assert torch.tt.memory_stats()["num_device_alloc"] == 1


def test_much_larger_memory_is_not_used_for_less():
    empty(4 * UNIT)
    before = torch.tt.memory_reserved()
    tensor = empty(UNIT)
    assert torch.tt.memory_reserved() == before + tensor.nbytes


def test_empty_cache():
    before = torch.tt.memory_reserved()
    tensor = empty(UNIT)
    empty(2 * UNIT)
    torch.tt.empty_cache()
    assert torch.tt.memory_reserved() == before + UNIT
    assert torch.tt.max_memory_reserved() == before + 3 * UNIT
    assert torch.tt.memory_stats()["num_device_free"] == 1
    del tensor


def test_counters():
    tensors = [empty(MIB) for _ in range(3)]
    stats = torch.tt.memory_stats()
    assert stats["allocation.all.allocated"] == 3
    assert stats["requested_bytes.all.allocated"] == 3 * MIB
    del tensors
    assert torch.tt.memory_stats()["allocation.all.freed"] == 3
    torch.tt.reset_accumulated_memory_stats()
    assert torch.tt.memory_stats()["allocation.all.freed"] == 0


def test_live_tensors_share_no_bytes():
    sizes = [1, 63, 64, 65, 1000, MIB + 1, 1]
    tensors = [torch.full((size,), value, dtype=torch.uint8, device="tt") for value, size in enumerate(sizes)]
    for value, tensor in enumerate(tensors):
        assert tensor.cpu().eq(value).all()
    ranges = sorted((tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes) for tensor in tensors)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ranges))


def test_whole_pages_of_every_bank_are_counted():
    """A buffer has the same addresses in all banks, also in those that hold none of it."""
    banks = torch.tt.get_device_properties().dram_banks
    before = torch.tt.memory_allocated()
    free, _ = torch.tt.mem_get_info()
    tensor = empty(1)
    assert torch.tt.memory_allocated() - before == 256 * banks
    assert torch.tt.mem_get_info()[0] == free - 256 * banks
    assert torch.tt.memory_stats()["requested_bytes.all.allocated"] == tensor.nbytes
    more = empty(256 * banks + 1)
    assert torch.tt.memory_allocated() - before == 256 * 3 * banks
    del more


@pytest.mark.parametrize("size", [1, 5000, 2**20], ids=str)
def test_what_is_free_can_be_allocated(size):
    """A device that is full says so, and one that is not gives what it says."""
    code = (
        "import torch, torch_moe_ttnn\n"
        "empty = lambda size: torch.empty(size, dtype=torch.uint8, device='tt')\n"
        "torch.tt.init()\n"
        "kept = [empty(2**20)]\n"
        "kept.append(empty(torch.tt.mem_get_info()[0] // 2))\n"
        "try:\n"
        f"    while True: kept.append(empty({size}))\n"
        "except torch.OutOfMemoryError as error:\n"
        "    free, total = torch.tt.mem_get_info()\n"
        "    taken = torch.tt.memory_allocated() / len(kept)\n"
        "    assert str(error).endswith('in pieces that may be smaller than what was asked for')\n"
        "print(free, total, torch.tt.memory_allocated())\n"
    )
    process = processes.run(code, TORCH_TT_RUNTIME="emulated", TORCH_TT_EMULATED_DRAM_SIZE=str(12 * 2**20))
    assert process.returncode == 0, process.stderr
    free, total, allocated = map(int, process.stdout.split())
    assert free < 2 * max(size, 3072)
    assert total == 12 * 2**20
    # But for the first addresses, which no buffer has.
    assert total - free - allocated < 4096


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4, 5)], ids=str)
def test_no_bytes(shape):
    before = torch.tt.memory_stats()["allocation.all.allocated"]
    tensor = torch.empty(shape, device="tt")
    assert torch.tt.memory_stats()["allocation.all.allocated"] == before
    assert tensor.data_ptr() == 0
    assert tensor.cpu().shape == shape
    assert (tensor + 1).shape == shape
    assert tensor.clone().sum().item() == 0


def test_out_of_memory():
    kept = torch.arange(1000, device="tt")
    total = torch.tt.get_device_properties().total_memory
    words = (
        rf"^tt:0 is out of memory\. Tried to allocate 93\.13 GiB\. Of {total / 2**30:.2f} GiB of DRAM, .+ are "
        r"allocated by PyTorch and \d\d\.\d\d GiB are free"
    )
    with pytest.raises(torch.OutOfMemoryError, match=words):
        empty(100 * 10**9)
    assert torch.tt.memory_stats()["num_ooms"] == 1
    torch.testing.assert_close(kept.cpu(), torch.arange(1000))
    torch.testing.assert_close(torch.ones(MIB, device="tt").cpu(), torch.ones(MIB))


def test_out_of_memory_by_many():
    total = torch.tt.get_device_properties().total_memory
    tensors = [empty(total // 4) for _ in range(3)]
    with pytest.raises(torch.OutOfMemoryError, match=re.escape(f"Tried to allocate {total / 3 / 2**30:.2f} GiB")):
        empty(total // 3)
    del tensors
    empty(total // 2)


def test_the_cache_gives_way():
    """What does not fit beside the cache fits in its place."""
    total = torch.tt.get_device_properties().total_memory
    empty(total // 2)
    tensor = empty(total // 4 * 3)
    stats = torch.tt.memory_stats()
    assert (stats["num_alloc_retries"], stats["num_ooms"]) == (1, 0)
    assert tensor.numel() == total // 4 * 3


def test_memory_info():
    free, total = torch.tt.mem_get_info()
    assert total == torch.tt.get_device_properties().dram_size
    tensor = empty(UNIT)
    assert torch.tt.mem_get_info() == (free - tensor.nbytes, total)


def test_memory_summary():
    tensor = empty(UNIT)
    summary = torch.tt.memory_summary()
    assert re.search(r"^Memory of tt:0: [\d.]+ GiB of [\d.]+ GiB are free; out of memory 0 times", summary)
    row = next(line for line in summary.splitlines() if line.startswith("| tensors"))
    current, peak, allocated, freed = (cell.strip() for cell in row.split("|")[2:6])
    assert (allocated, freed) == ("3.00 MiB", "0 B")
    assert float(current.split()[0]) >= 3
    assert current.endswith("MiB")
    assert peak.endswith("MiB")
    short = torch.tt.memory_summary("tt:0", abbreviated=True)
    assert "freed" not in short
    assert "| tensors" in short
    del tensor


def test_devices_count_for_themselves(other_device):
    torch.tt.empty_cache()
    before = [torch.tt.memory_allocated(index) for index in range(2)]
    tensor = empty(UNIT, other_device)
    assert [torch.tt.memory_allocated(index) for index in range(2)] == [before[0], before[1] + tensor.nbytes]
    assert torch.tt.memory_allocated(other_device) == torch.tt.memory_allocated("tt:1")


def test_statistics_of_a_device_that_does_not_exist():
    with pytest.raises(RuntimeError, match=r"expected the index of a tt device, from 0 to \d+, got 99"):
        torch.tt.memory_allocated(99)


@pytest.mark.parametrize("offset", [4, 2**33], ids=["within a tensor", "far beyond"])
def test_host_code_cannot_follow_an_address(offset):
    code = (
        "import ctypes, torch, torch_moe_ttnn\n"
        "tensor = torch.ones(1000, device='tt')\n"
        f"print(ctypes.c_char.from_address(tensor.data_ptr() + {offset}).value)"
    )
    process = processes.run(code)
    assert (process.returncode, process.stdout) == (-signal.SIGSEGV, "")


def test_views_are_arithmetic_on_addresses():
    tensor = torch.empty(100, 7, device="tt")
    assert tensor[3, 2:].data_ptr() == tensor.data_ptr() + (3 * 7 + 2) * 4


def test_copy_on_write():
    tensor = torch.arange(10.0, device="tt")
    clone = torch._lazy_clone(tensor)
    clone += 1
    torch.testing.assert_close(tensor.cpu(), torch.arange(10.0))
    torch.testing.assert_close(clone.cpu(), torch.arange(10.0) + 1)


def test_memory_of_others():
    """Only code that has opened the chip can lend some; ``tests/ttnn`` has the other case."""
    with pytest.raises(RuntimeError, match="expected memory of a chip that other code of this process has opened"):
        torch_moe_ttnn._C.tt.borrow_memory(0, 0, 1024, [256], torch.float32, object())
    assert torch_moe_ttnn._C.tt.lender_of(torch.ones(3, device="tt")) is None
    with pytest.raises(RuntimeError, match="expected a tensor on tt, got one on cpu"):
        torch_moe_ttnn._C.tt.lender_of(torch.ones(3))
