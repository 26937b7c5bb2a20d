"""Random numbers on the device."""

import concurrent.futures
import copy
import pickle
import threading

import pytest
import torch

RANDOM = {
    "rand": lambda: torch.rand(5, device="tt"),
    "randn": lambda: torch.randn(5, device="tt"),
    "randint": lambda: torch.randint(0, 1000, (5,), device="tt"),
    "randperm": lambda: torch.randperm(50, device="tt"),
    "normal_": lambda: torch.empty(5, device="tt").normal_(),
    "bernoulli": lambda: torch.bernoulli(torch.full((50,), 0.5, device="tt")),
    "multinomial": lambda: torch.multinomial(torch.ones(50, device="tt"), 20),
    "dropout": lambda: torch.nn.functional.dropout(torch.ones(50, device="tt")),
    "rand_like": lambda: torch.rand_like(torch.ones(5, device="tt")),
    "normal of tensors": lambda: torch.normal(torch.zeros(5, device="tt"), torch.ones(5, device="tt")),
}
random = pytest.mark.parametrize("draw", RANDOM.values(), ids=RANDOM.keys())


@random
@pytest.mark.parametrize("manual_seed", [torch.manual_seed, torch.tt.manual_seed, torch.tt.manual_seed_all])
def test_a_seed_gives_the_same_numbers(draw, manual_seed):
    manual_seed(7)
    first, second = draw(), draw()
    assert first.is_tt
    assert not torch.equal(first, second)
    manual_seed(7)
    assert torch.equal(draw(), first)
    assert torch.equal(draw(), second)


@random
def test_the_cpu_generator_is_left_alone(draw):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    draw()
    assert torch.equal(torch.get_rng_state(), before)


@random
def test_states(draw):
    state = torch.tt.get_rng_state()
    first = draw()
    assert not torch.equal(torch.tt.get_rng_state(), state)
    torch.tt.set_rng_state(state)
    assert torch.equal(draw(), first)


def test_the_same_numbers_as_on_the_cpu():
    torch.manual_seed(7)
    assert torch.equal(torch.randn(20, device="tt").cpu(), torch.randn(20))


def test_seeds():
    torch.tt.manual_seed(7)
    assert torch.tt.initial_seed() == 7
    assert torch.tt.seed() == torch.tt.initial_seed() != 7
    number = torch.tt.seed_all()
    assert torch.tt.initial_seed() == number


def test_generators_of_devices(other_device):
    torch.tt.manual_seed_all(7)
    states = torch.tt.get_rng_state_all()
    assert len(states) == torch.tt.device_count()
    here = torch.rand(3, device="tt:0")
    assert torch.equal(torch.tt.get_rng_state(other_device), states[1])
    assert torch.equal(torch.rand(3, device=other_device).cpu(), here.cpu())
    torch.tt.set_rng_state_all(states)
    assert torch.equal(torch.rand(3, device="tt:0"), here)


def test_own_generator():
    generator = torch.Generator(device="tt")
    assert generator.device == torch.device("tt:0")
    before = torch.tt.get_rng_state()
    first = torch.rand(3, device="tt", generator=generator.manual_seed(7))
    assert torch.equal(torch.rand(3, device="tt", generator=generator.manual_seed(7)), first)
    assert torch.equal(torch.tt.get_rng_state(), before)
    copy = generator.clone_state()
    assert torch.equal(torch.rand(3, device="tt", generator=generator), torch.rand(3, device="tt", generator=copy))


@pytest.mark.parametrize(("generator", "device"), [("cpu", "tt"), ("tt", "cpu")])
def test_a_generator_of_another_device(generator, device):
    with pytest.raises(RuntimeError, match=f"Expected a '{device}' device type for generator but found '{generator}'"):
        torch.empty(3, device=device).normal_(generator=torch.Generator(generator))


def test_fork_rng():
    before = torch.tt.get_rng_state()
    with torch.random.fork_rng(devices=[0], device_type="tt"):
        torch.rand(3, device="tt")
    assert torch.equal(torch.tt.get_rng_state(), before)


def test_a_failed_operator_restores_the_cpu_generator():
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError):
        torch.native_dropout(torch.ones(3, dtype=torch.int64, device="tt"), 2.0, True)
    assert torch.equal(torch.get_rng_state(), state)


def test_copies_and_pickles():
    generator = torch.Generator("tt").manual_seed(7)
    torch.rand(3, device="tt", generator=generator)
    for other in (copy.copy(generator), copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))):
        assert other.device.type == "tt"
        assert torch.equal(other.get_state(), generator.get_state())


def test_threads_leave_the_cpu_generator_alone():
    ones = torch.ones(50, device="tt")
    before = torch.get_rng_state()
    with concurrent.futures.ThreadPoolExecutor() as threads:
        list(threads.map(lambda _: torch.nn.functional.dropout(ones), range(60)))
    assert torch.equal(torch.get_rng_state(), before)


def test_default_generators():
    assert len(torch.tt.default_generators) == torch.tt.device_count()
    torch.tt.manual_seed(7)
    assert torch.tt.default_generators[0].initial_seed() == 7
    assert torch.tt.default_generators[-1:] == [torch.tt.default_generators[torch.tt.device_count() - 1]]
    with pytest.raises(IndexError):
        torch.tt.default_generators[torch.tt.device_count()]


def test_a_state_that_is_lent():
    """Not a copy: what one draws the other does not draw again."""
    generator = torch.Generator("tt").manual_seed(7)
    lent = torch.Generator("tt").manual_seed(8)
    own = generator.graphsafe_get_state()
    generator.graphsafe_set_state(lent)
    first = torch.rand(3, device="tt", generator=generator)
    second = torch.rand(3, device="tt", generator=lent)
    generator.graphsafe_set_state(own)
    third = torch.rand(3, device="tt", generator=generator)
    assert torch.equal(torch.rand(6, generator=torch.Generator().manual_seed(8)), torch.cat([first, second]).cpu())
    assert torch.equal(torch.rand(3, generator=torch.Generator().manual_seed(7)), third.cpu())
    with pytest.raises(RuntimeError, match="device type for generator"):
        generator.graphsafe_set_state(torch.Generator())


@pytest.mark.any_runtime
def test_a_seed_and_a_draw_of_two_threads():
    """A generator is one thing at a time: whatever it draws is a whole draw of some state."""
    generator = torch.Generator("tt")

    def draw():
        return tuple(torch.rand(2000, generator=generator, device="tt").tolist()[::500])

    generator.manual_seed(1)
    # As many as come below, if the other thread never gets its turn.
    draws = {draw() for _ in range(300)}
    generator.manual_seed(1)
    done = threading.Event()

    def reseed():
        while not done.is_set():
            generator.manual_seed(1)

    thread = threading.Thread(target=reseed)
    thread.start()
    try:
        for _ in range(300):
            assert draw() in draws
    finally:
        done.set()
        thread.join()
