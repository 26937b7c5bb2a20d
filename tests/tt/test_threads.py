"""An error belongs to the thread that made the call."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from support import processes
from support.checks import assert_same_bits
from support.choices import choices_on
from support.operators import MAPPING, PERMUTE, ROUTING


def wrong(expert: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return the arguments of a call with an id out of range."""
    ids, weights = choices_on("cpu", 64)
    ids[5, 0] = expert
    return ids.to("tt"), weights.to("tt"), 16


def raised(wait) -> str | None:
    """Return the id that the IndexError of a wait names."""
    try:
        wait()
    except IndexError as error:
        return re.search(r"got (-?\d+) at", str(error))[1]
    return None


@pytest.fixture
def other():
    """Another thread, with work that a test gives it."""
    with ThreadPoolExecutor(1) as executor:
        yield lambda function, *arguments: executor.submit(function, *arguments).result()


def test_another_thread_waits_first(operator, other):
    operator(*wrong(77))
    right = other(operator, *choices_on("tt", 64), 16)
    assert other(raised, torch.tt.synchronize) is None
    assert other(raised, right[0].cpu) is None
    assert raised(torch.tt.synchronize) == "77"
    assert raised(torch.tt.synchronize) is None
    assert_same_bits(right, operator.expected(*choices_on("cpu", 64), 16))


def test_each_thread_has_its_own_error(other):
    """The same cores met both ids: none hides the other, in whatever order they are asked for."""
    MAPPING(*wrong(77))
    other(ROUTING, *wrong(99))
    PERMUTE(torch.ones(4, 8, device="tt"), torch.tensor([7], dtype=torch.int32, device="tt"))
    assert other(raised, torch.tt.synchronize) == "99"
    with pytest.raises(IndexError, match=f"^{MAPPING.name}: .* got 77 at .*; calls after it met such ids too$"):
        torch.tt.synchronize()
    assert other(raised, torch.tt.synchronize) is None


@pytest.mark.parametrize(
    "wait", [torch.tt.synchronize, torch.ones(1, device="tt").cpu, torch.ones(1, device="tt").item]
)
def test_any_wait_of_a_thread(wait, other):
    operator = MAPPING
    other(operator, *wrong(88))
    assert raised(wait) is None
    assert other(raised, wait) == "88"


def test_every_device_of_a_thread(other_device, other):
    ids, weights, num_experts = wrong(77)
    there = ids.to(other_device), weights.to(other_device)
    MAPPING(*there, num_experts)
    other(MAPPING, *there, num_experts)
    assert raised(lambda: torch.tt.synchronize("tt:0")) is None
    assert other(raised, lambda: torch.tt.synchronize("tt:1")) == "77"
    assert raised(lambda: torch.tt.synchronize("tt:1")) == "77"


def test_under_load():
    """Every thread hears of its own wrong calls, of each in turn, and of no other's."""
    num_threads, rounds = 6, 30
    start = threading.Barrier(num_threads)
    expected = MAPPING.expected(*choices_on("cpu", 64), 16)

    def work(thread: int) -> list[str | None]:
        start.wait()
        heard = []
        for turn in range(rounds):
            right = MAPPING(*choices_on("tt", 64), 16)
            if (thread + turn) % 2:
                MAPPING(*wrong(1000 * thread + turn + 100))
                heard.append(raised(torch.tt.synchronize))
            assert_same_bits(right, expected)
        return heard

    with ThreadPoolExecutor(num_threads) as threads:
        heard = list(threads.map(work, range(num_threads)))
    assert heard == [
        [str(1000 * thread + turn + 100) for turn in range(rounds) if (thread + turn) % 2]
        for thread in range(num_threads)
    ]


def test_threads_that_end_leave_nothing_behind():
    """What a thread's errors are kept in goes to the next thread."""

    def work():
        MAPPING(*choices_on("tt", 64), 16)

    def in_a_thread():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        torch.tt.synchronize()

    in_a_thread()
    before = torch.tt.memory_allocated()
    for _ in range(20):
        in_a_thread()
    assert torch.tt.memory_allocated() == before


PROGRAM = """
import threading, torch, torch_moe_ttnn
from torch_moe_ttnn.testing import make_choices
ids, weights = (tensor.to("tt") for tensor in make_choices(64, 4, 32))
wrong = ids.cpu(); wrong[5, 0] = 77; wrong = wrong.to("tt")

def in_a_thread(*arguments):
    thread = threading.Thread(target=lambda: torch_moe_ttnn.prepare_mapping(*arguments))
    thread.start()
    thread.join()
"""

SAID = "torch_moe_ttnn: tt:0 met an error that no wait of its thread has raised: IndexError: moe::prepare_mapping: "


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("torch_moe_ttnn.prepare_mapping(wrong, weights, 32)", id="the main thread's at exit"),
        pytest.param("in_a_thread(wrong, weights, 32)", id="that of a thread that has ended, at exit"),
        pytest.param(
            "in_a_thread(wrong, weights, 32); ids.cpu(); in_a_thread(ids, weights, 32); torch.tt.synchronize()",
            id="that of a thread that has ended, at another's wait",
        ),
    ],
)
def test_an_error_that_no_wait_raises_is_said_once(code):
    process = processes.run(f"{PROGRAM}{code}\nprint('end')")
    assert (process.returncode, process.stdout) == (0, "end\n"), process.stderr
    assert process.stderr.startswith(SAID), process.stderr
    assert "got 77 at selected_experts[5, 0]" in process.stderr
    assert process.stderr.count("\n") == 1


def test_an_error_that_was_raised_is_not_said_again():
    process = processes.run(f"{PROGRAM}torch_moe_ttnn.prepare_mapping(wrong, weights, 32)\ntorch.tt.synchronize()")
    assert process.returncode == 1
    assert "IndexError: moe::prepare_mapping" in process.stderr
    assert SAID not in process.stderr
