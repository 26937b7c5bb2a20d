"""What a layer's routing moves between R devices, by formula.

Each device has t tokens of its own, K choices a token among E experts, hidden states of H bfloat16. Between devices
count bytes that leave a device or come to it; what stays does not. A device sends and receives at the same time, so
that a phase takes as long as the larger of the two, on the busiest device. Three layouts:

- exchanged: tokens travel to experts, a row for each choice (``torch_moe_ttnn.distributed``);
- once a device: as that, but a token travels to a device once for all of its experts there; outputs come back as above;
- replicated: every device gets all tokens, computes its own experts (``local_experts``), and partial sums are reduced.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from device import Case
from torch_moe_ttnn.testing import Model

ELEMENT_BYTES = 2
"""Of bfloat16: hidden states and weights of choices."""
ID_BYTES = 4

Placement = Sequence[Sequence[int]]
"""For each device the ids of its experts; an expert that several have takes as many tokens on each."""


def consecutive(num_experts: int, num_devices: int) -> Placement:
    """Return what ``place_experts`` does by itself; with more devices than experts, each expert on as many."""
    if num_devices > num_experts:
        return [[device * num_experts // num_devices] for device in range(num_devices)]
    return [part.tolist() for part in torch.arange(num_experts).tensor_split(num_devices)]


def dealt(num_experts: int, num_devices: int) -> Placement:
    """Return expert e on device e mod R, and so on over again while there are devices without one."""
    held = [[] for _ in range(num_devices)]
    for place in range(max(num_experts, num_devices)):
        held[place % num_devices].append(place % num_experts)
    return held


def loads_of(ids: Tensor, num_experts: int) -> Tensor:
    """Return each expert's part of all choices, (E,), given ids (T, K)."""
    return ids.flatten().to(torch.int64).bincount(minlength=num_experts) / ids.numel()


def uniform_loads(num_experts: int) -> Tensor:
    """Return the same part for each expert."""
    return torch.full((num_experts,), 1 / num_experts, dtype=torch.float64)


def expected_rows(model: Model, tokens: int, loads: Tensor, placement: Placement) -> Tensor:
    """Return how many rows each device sends to each, (R, R), expected where tokens choose alike on every device."""
    holders = torch.tensor([expert for held in placement for expert in held]).bincount(minlength=model.num_experts)
    shares = torch.stack([(loads.double() / holders)[list(held)].sum() for held in placement])
    return (tokens * model.top_k * shares).expand(len(placement), -1)


def rows_of(ids: Tensor, placement: Placement) -> Tensor:
    """Return how many rows each device sends to each, (R, R), given the ids (R, t, K) and an expert on one device."""
    return _devices_of(ids, placement).sum((1, 2))


def distinct_rows_of(ids: Tensor, placement: Placement) -> Tensor:
    """Return the same where a token travels to a device once."""
    return _devices_of(ids, placement).amax(2).sum(1)


def _devices_of(ids: Tensor, placement: Placement) -> Tensor:
    """Return (R, t, K, R): a one for the device that each choice goes to, none where it is "no expert", -1."""
    device_of = torch.empty(sum(map(len, placement)), dtype=torch.int64)
    for device, held in enumerate(placement):
        device_of[list(held)] = device
    ids = ids.to(torch.int64)
    return torch.nn.functional.one_hot(device_of[ids], len(placement)) * (ids >= 0)[..., None]


def expected_devices(model: Model, placement: Placement) -> float:
    """Return how many devices a token's experts are on, expected of K different experts that are equally likely.

    A device with e of E experts has none of the K with the probability C(E - e, K) / C(E, K). For the same e = E / R
    everywhere that is R (1 - C(E - E/R, K) / C(E, K)).
    """
    num_experts, top_k = model.num_experts, model.top_k
    if len(placement) > num_experts:
        return top_k
    without = (math.comb(num_experts - len(held), top_k) for held in placement)
    return sum(1 - each / math.comb(num_experts, top_k) for each in without)


def expected_distinct_rows(model: Model, tokens: int, placement: Placement) -> Tensor:
    """Return rows between devices, (R, R), where a token travels to a device once, with uniform choices."""
    num_devices = len(placement)
    rows = tokens * expected_devices(model, placement) / num_devices
    return torch.full((num_devices, num_devices), rows, dtype=torch.float64)


def without_own(between: Tensor) -> Tensor:
    """Return what moves between devices without what stays."""
    return between - between.diag().diag()


def busiest_device(rows: Tensor) -> float:
    """Return the most rows that a device sends, or receives, in one exchange."""
    others = without_own(rows)
    return max(others.sum(0).max().item(), others.sum(1).max().item())


def row_bytes(model: Model) -> int:
    """Return H·b."""
    return model.hidden_size * ELEMENT_BYTES


def counts_bytes(model: Model) -> int:
    """Return what each device tells every other before an exchange: E counts and 6 numbers, int32."""
    return 4 * (model.num_experts + 6)


def choices_bytes(model: Model, tokens: int) -> int:
    """Return the bytes of a device's ids and weights."""
    return tokens * model.top_k * (ID_BYTES + ELEMENT_BYTES)


def exchanged_bytes(model: Model, rows: Tensor) -> Tensor:
    """Return what each device sends in dispatch and combine together, (R,), counts included; it receives as much."""
    others = without_own(rows)
    return (others.sum(1) + others.sum(0)) * row_bytes(model) + (len(rows) - 1) * counts_bytes(model)


def busiest_exchanged_bytes(model: Model, rows: Tensor, sides: Sequence[int] | None = None) -> float:
    """Return the bytes that the two exchanges wait for: through the busiest device or, on a torus, link."""
    gathered = gathered_bytes(len(rows), counts_bytes(model), sides)
    if sides is None:
        return 2 * busiest_device(rows) * row_bytes(model) + gathered
    return (busiest_link(rows, sides) + busiest_link(rows.T, sides)) * row_bytes(model) + gathered


def replicated_bytes(model: Model, tokens: int, num_devices: int, sides: Sequence[int] | None = None) -> float:
    """Return what a device sends, and receives, or one link carries: an all-gather and a reduce-scatter of all tokens.

    The all-gather has hidden states, ids and weights, the reduce-scatter the outputs. An all-reduce of outputs that
    stay replicated sends as much as the two.
    """
    shard = 2 * tokens * row_bytes(model) + choices_bytes(model, tokens)
    return gathered_bytes(num_devices, shard, sides)


def gathered_bytes(num_devices: int, shard: float, sides: Sequence[int] | None = None) -> float:
    """Return what a device receives in an all-gather of R shards, or one of its 2·D links on a torus of D dimensions.

    No algorithm does with less. On a ring each half of a shard goes around one way; on a torus of two dimensions one
    part goes along x first, another along y first, in a proportion that fills all links alike. Reduce-scatter is the
    same the other way.
    """
    links = 1 if sides is None else 2 * len(sides)
    return (num_devices - 1) * shard / links


def busiest_link(between: Tensor, sides: Sequence[int]) -> float:
    """Return the most that one direction of a link carries, on a ring or a torus, of what moves between devices.

    Device i is at ``(i // sides[1], i % sides[1])``. All takes the shortest way, first along the first dimension; what
    has two ways of the same length takes each by half. With uniform exchanges nothing does with less: on a ring of even
    R the links of a cut through the middle carry R²/8 times what one device sends another, on a torus X/8 · R times
    with the longer side X.
    """
    if len(sides) == 1:
        return _busiest_of_rings(between[None])
    x, y = sides
    grid = between.reshape(x, y, x, y)
    along_x = grid.sum(3).permute(1, 0, 2)
    along_y = grid.sum(0).permute(1, 0, 2)
    return max(_busiest_of_rings(along_x), _busiest_of_rings(along_y))


def _busiest_of_rings(between: Tensor) -> float:
    """Return the same of several rings, (N, n, n)."""
    size = between.shape[1]
    devices = torch.arange(size)
    most = 0.0
    for direction in (1, -1):
        load = torch.zeros(between.shape[:2], dtype=torch.float64)
        for distance in range(1, size // 2 + 1):
            carried = between[:, devices, (devices + direction * distance) % size].double()
            if 2 * distance == size:
                carried = carried / 2
            for passed in range(distance):
                load += carried.roll(direction * passed, 1)
        most = max(most, load.max().item())
    return most


def torus_sides(num_devices: int) -> tuple[int, int]:
    """Return the most square torus, for a power of two."""
    short = 2 ** (int(math.log2(num_devices)) // 2)
    return num_devices // short, short


def exchanged_cases(model: Model, tokens: int) -> list[Case]:
    """Return a device's launches before rows travel, for t tokens of its own; their ids are of 4 bytes."""
    sizes = tokens, model.top_k, model.num_experts
    return [Case("prepare_grouping", *sizes), Case("permute", *sizes, hidden=model.hidden_size)]


def arrived_cases(model: Model, rows: int, num_held: int) -> list[Case]:
    """Return the launches on rows that arrived for the device's experts, one choice each."""
    sizes = rows, 1, num_held
    return [Case("prepare_grouping", *sizes), Case("permute", *sizes, hidden=model.hidden_size)]


def replicated_cases(model: Model, tokens: int, num_held: int) -> list[Case]:
    """Return a device's launches for all tokens, of which its own experts take some: as many rows as there are choices.

    The first reads the ids of the local experts beside.
    """
    sizes = tokens, model.top_k, num_held
    return [Case("prepare_grouping", *sizes), Case("permute", *sizes, hidden=model.hidden_size)]


def replicated_bytes_in_use(model: Model, tokens: int, num_devices: int, num_held: int) -> int:
    """Return the same launches' bytes where the permutation gets the rows in use alone, T·K / R expected."""
    grouping, _ = replicated_cases(model, tokens, num_held)
    rows = tokens * model.top_k // num_devices
    per_row = row_bytes(model) + ID_BYTES
    return moved([grouping]) + ID_BYTES * num_held + tokens * row_bytes(model) + rows * per_row


def moved(cases: Sequence[Case]) -> int:
    """Return the bytes of inputs and outputs."""
    return sum(case.input_bytes + case.output_bytes for case in cases)
