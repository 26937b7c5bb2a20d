"""torch.tt.fallback_report(): which operators fell back, how often, and what they copied."""

import doctest
import threading

import pytest
import torch

from torch_moe_ttnn.tt import _fallback_report


def of(report, name):
    (row,) = (row for row in report.operators if row.name == name)
    return row


def test_counts_and_bytes():
    tensor, mask = torch.ones(2, 3, device="tt"), torch.ones(2, 3, dtype=torch.bool, device="tt")
    with torch.tt.fallback_report() as report:
        for _ in range(3):
            tensor.bernoulli_(0.5)
        tensor.masked_select(mask)
    # In place: there and back. Six elements of four bytes and as many of one; the six that the mask selects.
    assert of(report, "aten::bernoulli_.float") == ("aten::bernoulli_.float", 3, 3 * 24, 3 * 24)
    assert of(report, "aten::masked_select") == ("aten::masked_select", 1, 24 + 6, 24)
    assert report.total == ("total", 4, 3 * 24 + 30, 4 * 24)


def test_nothing_is_counted_that_has_a_kernel():
    tensor = torch.ones(4, 4, device="tt")
    with torch.tt.fallback_report() as report:
        tensor.fill_(3)
        tensor[1:].clone().to("cpu").to("tt")
        tensor.t().contiguous().view(-1)
    assert report.operators == []
    assert report.total == ("total", 0, 0, 0)
    assert str(report) == "no operator fell back to the CPU"


def test_a_report_is_of_its_block():
    tensor = torch.ones(4, device="tt")
    tensor.cumsum(0)
    with torch.tt.fallback_report() as outer:
        tensor.cumsum(0)
        with torch.tt.fallback_report() as inner:
            tensor.cumsum(0)
        tensor.cumsum(0)
        assert outer.total.calls == 3
    tensor.cumsum(0)
    assert outer.total.calls == 3
    assert inner.total.calls == 1


def test_since_the_process_began():
    before = torch.tt.fallback_report().total.calls
    torch.ones(4, device="tt").cumsum(0)
    assert torch.tt.fallback_report().total.calls == before + 1


def test_a_report_begins_anew():
    report = torch.tt.fallback_report()
    for _ in range(2):
        with report:
            torch.ones(4, device="tt").cumsum(0)
        assert report.total.calls == 1


def test_the_most_copied_comes_first():
    small, large = torch.ones(2, device="tt"), torch.ones(1000, device="tt")
    with torch.tt.fallback_report() as report:
        for _ in range(5):
            small.cumsum(0)
        large.cumprod(0)
        for _ in range(5):
            small.cummax(0)
    assert report.operators[0].name == "aten::cumprod.out"
    copied = [row.bytes_from_device + row.bytes_to_device for row in report.operators]
    assert len(copied) == 3
    assert copied == sorted(copied, reverse=True)


@pytest.mark.any_runtime
def test_the_table():
    tensor = torch.ones(1000, device="tt")
    with torch.tt.fallback_report() as report:
        for _ in range(1200):
            tensor.bernoulli_(0.5)
    assert str(report).splitlines() == [
        "operator                calls  bytes from device  bytes to device",
        "aten::bernoulli_.float  1,200          4,800,000        4,800,000",
        "total                   1,200          4,800,000        4,800,000",
    ]
    assert repr(report) == str(report)


def test_other_threads_count():
    with torch.tt.fallback_report() as report:
        threads = [threading.Thread(target=lambda: torch.ones(2, device="tt").cumsum(0)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert of(report, "aten::cumsum.out").calls == 4


def test_an_error_in_the_block():
    tensor = torch.ones(4, device="tt")
    report = torch.tt.fallback_report()

    def failing():
        with report:
            tensor.cumsum(0)
            raise ValueError("of the block")

    with pytest.raises(ValueError, match="of the block"):
        failing()
    tensor.cumsum(0)
    assert report.total.calls == 1


def test_the_modules_own_example():
    result = doctest.testmod(_fallback_report)
    assert result.attempted >= 4
    assert result.failed == 0
