"""The formulas of docs/scaling.md: against what 2 and 4 ranks move, and against plain loops."""

import importlib
import itertools

import pytest
import torch

from support.documents import ROOT
from torch_moe_ttnn.testing import Model, make_choices

pytestmark = pytest.mark.any_runtime
CHOICES = ("uniform", "zipf", "recorded")


@pytest.fixture(scope="module")
def benchmarks():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        yield {name: importlib.import_module(name) for name in ("_layouts", "_layouts_counted", "scaling")}


@pytest.fixture(scope="module")
def layouts(benchmarks):
    return benchmarks["_layouts"]


@pytest.fixture(scope="module")
def files(benchmarks, tmp_path_factory):
    """Choices of 256 tokens, those of a router with random weights among them."""
    pytest.importorskip("transformers", reason="it comes with the test extra")
    counting = benchmarks["_layouts_counted"]
    folder = tmp_path_factory.mktemp("choices")
    found = {choices: folder / f"{choices}.safetensors" for choices in CHOICES}
    for choices in ("uniform", "zipf"):
        counting.make(found[choices], 256, choices)
    counting.record(found["recorded"], 256)
    return found


@pytest.mark.parametrize("num_ranks", [2, 4])
def test_what_ranks_move(benchmarks, files, num_ranks):
    counted = benchmarks["_layouts_counted"].count(files, num_ranks)
    assert list(counted) == list(CHOICES)
    for found in counted.values():
        assert found.differences() == {}
        for layout in ("exchanged", "replicated"):
            assert all(a >= b > 0 for a, b in zip(found.read[layout], found.inputs_by_formula[layout], strict=True))
    uniform = counted["uniform"]
    assert sum(uniform.sent["exchanged"]) / num_ranks == pytest.approx(uniform.sent_if_uniform, rel=0.05)
    assert uniform.ranks_a_token == pytest.approx(uniform.ranks_if_uniform, rel=0.03)
    # Skew is seen by the busiest rank, and by nobody where tokens are replicated.
    assert counted["zipf"].busiest > 1.5 * uniform.busiest
    for choices in CHOICES:
        assert counted[choices].sent["replicated"] == uniform.sent["replicated"]


def test_a_difference_is_told(benchmarks):
    same = {"exchanged": [1, 2], "replicated": [3, 3]}
    wrong = {"exchanged": [1, 2], "replicated": [3, 4]}
    counted = benchmarks["_layouts_counted"].Counted(same, wrong, 5, 5.0, same, same, same, same, 1, 1, 1)
    assert counted.differences() == {"sent": (same, wrong)}


@pytest.mark.parametrize(("num_experts", "top_k", "num_devices"), [(6, 2, 3), (7, 3, 3), (4, 2, 4)])
def test_devices_of_a_token(layouts, num_experts, top_k, num_devices):
    placement = layouts.consecutive(num_experts, num_devices)
    device_of = {expert: device for device, held in enumerate(placement) for expert in held}
    subsets = list(itertools.combinations(range(num_experts), top_k))
    mean = sum(len({device_of[expert] for expert in subset}) for subset in subsets) / len(subsets)
    assert layouts.expected_devices(Model(num_experts, top_k, 1), placement) == pytest.approx(mean)


def test_rows_of_choices(layouts):
    placement = layouts.dealt(10, 3)
    ids, _ = make_choices(12, 4, 10, distribution="padded", seed=1)
    rows, distinct = torch.zeros(3, 3, dtype=torch.int64), torch.zeros(3, 3, dtype=torch.int64)
    for token, chosen in enumerate(ids.tolist()):
        devices = [expert % 3 for expert in chosen if expert >= 0]
        for device in devices:
            rows[token // 4, device] += 1
        for device in set(devices):
            distinct[token // 4, device] += 1
    assert torch.equal(layouts.rows_of(ids.view(3, 4, 4), placement), rows)
    assert torch.equal(layouts.distinct_rows_of(ids.view(3, 4, 4), placement), distinct)


def test_loads_are_expected_of_rows(layouts):
    """Of many tokens' choices, each device's rows are those that the experts' loads tell."""
    ids, _ = make_choices(4 * 2000, 4, 16, distribution="zipf")
    for placement in (layouts.consecutive(16, 4), layouts.dealt(16, 4)):
        rows = layouts.rows_of(ids.view(4, 2000, 4), placement).double()
        expected = layouts.expected_rows(Model(16, 4, 1), 2000, layouts.loads_of(ids, 16), placement)
        torch.testing.assert_close(rows, expected, rtol=0.06, atol=0)
        torch.testing.assert_close(rows.sum(0), expected.sum(0), rtol=1e-4, atol=0)


def test_more_devices_than_experts(layouts):
    for placement in (layouts.consecutive(4, 8), layouts.dealt(4, 8)):
        assert sorted(expert for held in placement for expert in held) == [0, 0, 1, 1, 2, 2, 3, 3]
        rows = layouts.expected_rows(Model(4, 2, 1), 8, layouts.uniform_loads(4), placement)
        torch.testing.assert_close(rows, torch.full((8, 8), 2.0, dtype=torch.float64))


def ways(source, target, side):
    """Return the steps of the shortest ways around a ring, and what part takes each."""
    forward = (target - source) % side
    if forward == 0:
        return []
    backward = side - forward
    shortest = [(1, forward)] * (forward <= backward) + [(-1, backward)] * (backward <= forward)
    return [(step, count, 1 / len(shortest)) for step, count in shortest]


@pytest.mark.parametrize("sides", [(5,), (8,), (4, 2), (4, 3)])
def test_busiest_link(layouts, sides):
    """Walk every way, a link at a time."""
    num_devices = torch.Size(sides).numel()
    between = torch.rand(num_devices, num_devices, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    links = {}
    for source, target in itertools.product(range(num_devices), repeat=2):
        at, to = [list(divmod(each, sides[1])) if len(sides) == 2 else [each] for each in (source, target)]
        for dimension, side in enumerate(sides):
            for step, count, part in ways(at[dimension], to[dimension], side):
                for passed in range(count):
                    place = list(at)
                    place[dimension] = (at[dimension] + step * passed) % side
                    link = (*place, dimension, step)
                    links[link] = links.get(link, 0) + part * between[source, target].item()
            at[dimension] = to[dimension]
    assert layouts.busiest_link(between, sides) == pytest.approx(max(links.values()))


def test_uniform_links(layouts):
    """What docs/scaling.md says of a ring and of a torus."""
    between = torch.ones(32, 32)
    assert layouts.busiest_link(between, (32,)) == 32**2 / 8
    assert layouts.busiest_link(between, (8, 4)) == layouts.busiest_link(between, (4, 8)) == 8 / 8 * 32
    assert layouts.torus_sides(32) == (8, 4)


@pytest.mark.parametrize("top_k", [1, 2, 4, 8])
def test_crossings(benchmarks, layouts, top_k):
    """The two move the same with K = R on a switch, 4 on a ring, twice the short side on a torus, less what stays."""
    model, tokens = Model(256, top_k, 7168), 4096  # so many that the counts do not show
    for num_devices in (2, 4, 8, 16, 32, 64):
        stays = (num_devices - 1) / num_devices
        crossings = {
            "switch": num_devices,
            "ring": 4 * stays,
            "torus": 2 * layouts.torus_sides(num_devices)[1] * stays,
        }
        placement = layouts.consecutive(256, num_devices)
        rows = layouts.expected_rows(model, tokens, layouts.uniform_loads(256), placement)
        for name, crossing in crossings.items():
            sides = benchmarks["scaling"].TOPOLOGIES[name](num_devices)
            if 1 in (sides or ()):
                continue  # a ring
            ratio = layouts.busiest_exchanged_bytes(model, rows, sides)
            ratio /= layouts.replicated_bytes(model, tokens, num_devices, sides)
            assert ratio == pytest.approx(top_k / crossing, rel=0.01)
