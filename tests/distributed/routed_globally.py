"""What a dispatch and its combination should give, by plain loops over the tokens of all ranks in one process."""

import random
from typing import NamedTuple

import torch
from torch import Tensor

NO_EXPERT = {torch.uint16: 0xFFFF, torch.uint32: 0xFFFFFFFF, torch.int32: -1, torch.int64: -1}


class Batch(NamedTuple):
    """A problem with the tokens of all ranks, which is the same on each."""

    num_experts: int
    experts_of_ranks: list[list[int]]
    tokens_of_ranks: list[int]
    hidden: Tensor
    ids: Tensor
    weights: Tensor
    max_tokens: int | None

    def of_rank(self, rank: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return hidden states, ids and weights of a rank's tokens."""
        return tuple(each.split(self.tokens_of_ranks)[rank].clone() for each in (self.hidden, self.ids, self.weights))


def random_batch(seed: int, num_ranks: int) -> Batch:
    """Return a problem with any placement, numbers of tokens, dtypes, "no expert" and capacity."""
    chance = random.Random(seed)
    torch.manual_seed(seed)
    num_experts = chance.choice([1, 2, 5, 8, 13])
    top_k = chance.randint(0, min(num_experts, 4))
    # Each expert has a holder; some have several; ranks may have none, and places that stay empty.
    experts_of_ranks = [[] for _ in range(num_ranks)]
    for expert in chance.sample(range(num_experts), num_experts):
        chance.choice(experts_of_ranks).append(expert)
    for _ in range(chance.choice([0, 0, 1, 4])):
        place = chance.choice(experts_of_ranks)
        place.insert(chance.randint(0, len(place)), chance.randrange(-1, num_experts))
    tokens_of_ranks = [chance.choice([0, 1, 3, 17]) for _ in range(num_ranks)]
    num_tokens = sum(tokens_of_ranks)

    dtype = chance.choice([torch.float32, torch.bfloat16, torch.float16, torch.float64])
    hidden = torch.randn(num_tokens, chance.choice([0, 1, 16]), dtype=dtype)
    scores = torch.rand(num_tokens, num_experts)
    if chance.random() < 0.3:
        # All to the same experts.
        scores += torch.arange(num_experts)
    ids = scores.topk(top_k, dim=1).indices
    ids[torch.rand(ids.shape) < chance.choice([0, 0.3])] = -1
    id_dtype = chance.choice(list(NO_EXPERT))
    ids = ids.masked_fill(ids < 0, NO_EXPERT[id_dtype]).to(id_dtype)
    weights = torch.rand(ids.shape).to(chance.choice([torch.float32, torch.bfloat16, torch.float16]))
    max_tokens = chance.choice([None, None, 0, 1, 5, num_tokens])
    return Batch(num_experts, experts_of_ranks, tokens_of_ranks, hidden, ids, weights, max_tokens)


def choices_of(batch: Batch, expert: int) -> tuple[list[tuple[int, int]], int]:
    """Return an expert's choices within its capacity, in order, and how many are beyond it."""
    choices = [
        (token, k)
        for token, row in enumerate(batch.ids.tolist())
        for k, other in enumerate(row)
        if other == expert >= 0
    ]
    taken = choices if batch.max_tokens is None else choices[: batch.max_tokens]
    return taken, len(choices) - len(taken)


def rows_of_place(batch: Batch, rank: int, place: int) -> Tensor:
    """Return the rows that a rank's local expert should see, in order."""
    expert = batch.experts_of_ranks[rank][place]
    holders = [(r, p) for r, experts in enumerate(batch.experts_of_ranks) for p, e in enumerate(experts) if e == expert]
    choices, _ = choices_of(batch, expert)
    index, count = holders.index((rank, place)), len(holders)
    block = choices[index * len(choices) // count : (index + 1) * len(choices) // count]
    return batch.hidden[torch.tensor([token for token, _ in block], dtype=torch.int64)]


def combined(batch: Batch, outputs: Tensor) -> Tensor:
    """Return (T, H) for all tokens, given (E, T, H), what each expert makes of each token."""
    exact = torch.float64 if outputs.dtype == torch.float64 else torch.float32
    taken = {choice: expert for expert in range(batch.num_experts) for choice in choices_of(batch, expert)[0]}
    sums = torch.zeros(batch.hidden.shape, dtype=exact)
    for token in range(batch.ids.shape[0]):
        for k in range(batch.ids.shape[1]):
            if (token, k) in taken:
                output = outputs[taken[token, k], token]
                sums[token] = sums[token] + batch.weights[token, k].to(exact) * output.to(exact)
    return sums.to(outputs.dtype)
