"""An error belongs to the thread that made the call."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from support import processes
from support.checks import assert_same_bits
from support.choices import choices_on
from support.operators import MAPPING, PERMUTE, ROUTING

pytestmark = pytest.mark.dispatch


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


def replay_once(ids, weights):
    graph = torch.tt.Graph()
    graph.capture_begin()
    MAPPING.overload(ids, weights, 16)
    graph.capture_end()
    graph.replay()


@pytest.mark.any_runtime
@pytest.mark.parametrize("way", ["threads", "graphs"])
def test_what_nobody_waits_for_is_bounded(way):
    """Of threads that have ended, and of graphs that are gone."""
    choices = choices_on("tt", 64)
    MAPPING.overload(*choices, 16)

    def work():
        if way == "threads":
            thread = threading.Thread(target=MAPPING.overload, args=(*choices, 16))
            thread.start()
            thread.join()
        else:
            replay_once(*choices)

    taken = [torch.tt.memory_allocated()]
    for _ in range(3):
        for _ in range(140):
            work()
        taken.append(torch.tt.memory_allocated())
    # A thread may give back what it had a moment after it was joined.
    assert taken[3] - taken[1] < (taken[1] - taken[0]) / 4
    torch.tt.synchronize()


@pytest.mark.any_runtime
def test_replays_of_graphs_that_are_gone_are_heard_of(capfd):
    """The last ones by the next wait, and those before on stderr."""
    ids, weights, _ = wrong(77)
    MAPPING.overload(ids, weights, 16)
    assert raised(torch.tt.synchronize) == "77"
    for _ in range(140):
        replay_once(ids, weights)
    assert raised(torch.tt.synchronize) == "77"
    assert raised(torch.tt.synchronize) is None
    assert "met an error that no wait of its thread has raised: IndexError" in capfd.readouterr().err


class CallsInBackward(torch.autograd.Function):
    """Calls an operator in the backward pass, which autograd runs on a thread of its own."""

    @staticmethod
    def forward(ctx, x, arguments):
        ctx.arguments = arguments
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        MAPPING(*ctx.arguments)
        return gradient, None


def test_a_backward_pass_raises_its_own_error():
    """Also one that waits for nothing; and nothing of it is left for another wait, nor for a later pass."""

    def backward(arguments):
        x = torch.ones(2, device="tt", requires_grad=True)
        CallsInBackward.apply(x, arguments).backward(torch.ones(2, device="tt"))
        return x.grad

    with pytest.raises(IndexError, match="got 77 at"):
        backward(wrong(77))
    assert raised(torch.tt.synchronize) is None
    assert backward((*choices_on("tt", 64), 16)).tolist() == [1, 1]


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_a_batch_that_is_skipped_leaves_no_error_to_the_next(use_reentrant):
    """A checkpoint calls the operator again in the backward pass: the error is the batch's, there as here."""

    def step(ids, weights, num_experts):
        weights.requires_grad_()
        mapping = checkpoint(
            lambda weights: MAPPING(ids, weights, num_experts)[0], weights, use_reentrant=use_reentrant
        )
        mapping.backward(torch.ones_like(mapping))
        torch.tt.synchronize()
        return weights.grad.cpu()

    right = *choices_on("tt", 64), 16
    expected = step(*right)
    with pytest.raises(IndexError, match="got 77 at"):
        step(*wrong(77))
    raised(torch.tt.synchronize)  # of the first call, of which the pass has its own
    assert_same_bits([step(*choices_on("tt", 64), 16)], [expected])


@pytest.mark.usefixtures("room_to_fork")
def test_a_forked_child_gives_nothing_back():
    """It exits, whichever locks the parent's threads had."""
    code = """
import ctypes, os, threading, time
torch_moe_ttnn.prepare_mapping(ids, weights, 32)
done = False
def churn():
    while not done:
        in_a_thread(ids, weights, 32)
threads = [threading.Thread(target=churn) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(5):
    time.sleep(0.1)
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).exit(0)  # with the destructors of the thread's variables
    for _ in range(200):
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            break
        time.sleep(0.1)
    else:
        os.kill(child, 9)
        print("hangs")
done = True
for thread in threads:
    thread.join()
"""
    process = processes.run(f"{PROGRAM}{code}\nprint('end')")
    assert (process.returncode, process.stdout) == (0, "end\n"), process.stderr


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
