"""A rank for ``_layouts_counted.py``, under torchrun: both layouts of one layer, with what they move counted.

Takes the number of tokens a rank, the hidden size, a folder for what was counted, and files of recorded choices, of
which rank r takes rows from r·t on. Tensors are on ``tt``. Writes ``{file: {"exchanged": ..., "replicated": ...}}`` as
JSON, in the file ``RANK.json``. Bytes between ranks are those of the tensors that the calls of ``torch.distributed``
were given, without what stays on the rank; a backend may send more.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import torch
from safetensors import safe_open
from torch import Tensor
from torch import distributed as dist

import torch_moe_ttnn
from torch_moe_ttnn.distributed import Placement, combine, dispatch, place_experts


def counted(name: str, calls: list[tuple[str, int, int]]) -> Callable[..., object]:
    """Return a function of ``torch.distributed`` that appends its name and the bytes that this rank sends and gets."""
    call = getattr(dist, name)

    def counts(output: Tensor, given: Tensor, *args: object, **options: object) -> object:
        rank, size = dist.get_rank(), dist.get_world_size()
        if name == "all_gather_single":
            moved = (size - 1) * given.nbytes, output.nbytes - given.nbytes
        elif name == "reduce_scatter_single":
            moved = given.nbytes - output.nbytes, (size - 1) * output.nbytes
        else:
            output_sizes, input_sizes = args
            row = given.shape[1] * given.element_size()
            moved = given.nbytes - input_sizes[rank] * row, output.nbytes - output_sizes[rank] * row
        calls.append((name, *moved))
        return call(output, given, *args, **options)

    return counts


_CALLS = ("all_gather_single", "all_to_all_single", "reduce_scatter_single")


@contextlib.contextmanager
def counting(found: dict[str, object]) -> Iterator[None]:
    """Count into a dictionary what the block moves between ranks, and kernels between DRAM and cores."""
    found["calls"] = []
    before = torch.tt.dram_traffic()
    with contextlib.ExitStack() as stack:
        for name in _CALLS:
            stack.enter_context(mock.patch.object(dist, name, counted(name, found["calls"])))
        yield
    after = torch.tt.dram_traffic()
    found["read"], found["written"] = (now - then for now, then in zip(after, before, strict=True))


def outputs_of(rows: Tensor, experts: Tensor) -> Tensor:
    """Return what experts that scale by 1 + id make of rows."""
    return rows * (1 + experts)[:, None].to(rows.dtype)


def exchanged(hidden: Tensor, ids: Tensor, weights: Tensor, placement: Placement) -> Tensor:
    """Compute the layer with an exchange of rows."""
    dispatched = dispatch(hidden, ids, weights, placement)
    held = torch.tensor(placement.local_experts, device=hidden.device)
    return combine(outputs_of(dispatched.rows, held[dispatched.local_experts]), dispatched)


def replicated(hidden: Tensor, ids: Tensor, weights: Tensor, placement: Placement) -> Tensor:
    """Compute it from all tokens on every rank."""
    num_ranks = len(placement.experts_of_ranks)

    def gathered(own: Tensor) -> Tensor:
        everyones = own.new_empty(num_ranks * own.shape[0], *own.shape[1:])
        dist.all_gather_single(everyones, own)
        return everyones

    hidden, ids, weights = map(gathered, (hidden, ids, weights))
    held = torch.tensor(placement.local_experts, dtype=torch.int32, device=hidden.device)
    grouping = torch_moe_ttnn.prepare_grouping(ids, weights, placement.num_experts, local_experts=held)
    rows = torch_moe_ttnn.permute(hidden, grouping.grouped_tokens)
    # The rows after the last group are zeros, whatever the expert.
    experts = held.repeat_interleave(grouping.group_sizes)
    experts = torch.nn.functional.pad(experts, (0, rows.shape[0] - experts.shape[0]))
    partial = torch_moe_ttnn.unpermute(outputs_of(rows, experts), weights, grouping.positions)
    sums = partial.new_empty(partial.shape[0] // num_ranks, partial.shape[1])
    dist.reduce_scatter_single(sums, partial)
    return sums


def main(tokens: str, hidden_size: str, folder: str, *files: str) -> None:
    """Do as the module says."""
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    own = slice(rank * int(tokens), (rank + 1) * int(tokens))
    report = {}
    for file in files:
        with safe_open(file, framework="pt") as recorded:
            ids = recorded.get_tensor("selected_experts")[own].to(torch.int32).to("tt")
            weights = recorded.get_tensor("routing_weights")[own].to(torch.bfloat16).to("tt")
            num_experts = int(recorded.metadata()["num_experts"])
        torch.manual_seed(rank)
        hidden = torch.randn(int(tokens), int(hidden_size)).to(torch.bfloat16).to("tt")
        placement = place_experts(num_experts)
        found = {"exchanged": {}, "replicated": {}}
        with counting(found["exchanged"]):
            sums = exchanged(hidden, ids, weights, placement)
        with counting(found["replicated"]):
            others = replicated(hidden, ids, weights, placement)
        # Partial sums are rounded to bfloat16 on their way: close, not the same bits.
        torch.testing.assert_close(others, sums, rtol=0.05, atol=0.05 * sums.abs().max().item())
        report[file] = found
    Path(folder, f"{rank}.json").write_text(json.dumps(report))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
