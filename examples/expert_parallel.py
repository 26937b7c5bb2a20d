"""A Mixture-of-Experts layer whose experts are divided among processes, trained for a step.

Each rank holds some of the experts and some of the tokens. Its tokens travel to the ranks that hold their experts and
back, in the forward and in the backward pass. Each rank compares its outputs and gradients with those of the whole
layer on all tokens.

    torchrun --nproc-per-node 2 examples/expert_parallel.py
    torchrun --nproc-per-node 2 examples/expert_parallel.py --device tt
"""

import argparse
import os
import sys

import torch
from torch import Tensor, nn
from torch import distributed as dist

import torch_moe_ttnn
from torch_moe_ttnn.distributed import ExpertParallel, Placement, place_experts


class Experts(nn.Module):
    """Experts of two matrices each, called as Hugging Face's are."""

    def __init__(self, num_experts: int, hidden: int, inner: int):
        """Make experts with random parameters, whose first dimension is the expert."""
        super().__init__()
        self.num_experts = num_experts
        self.up = nn.Parameter(torch.randn(num_experts, inner, hidden) / hidden**0.5)
        self.down = nn.Parameter(torch.randn(num_experts, hidden, inner) / inner**0.5)

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """Return (T, hidden): for each token the weighted sum of its experts' outputs."""
        grouping = torch_moe_ttnn.prepare_grouping(top_k_index, top_k_weights, self.num_experts)
        offsets, tokens = grouping.group_offsets, grouping.grouped_tokens
        inner = torch_moe_ttnn.grouped_linear(hidden_states, self.up, offsets, grouped_tokens=tokens)
        outputs = torch_moe_ttnn.grouped_linear(torch.relu(inner), self.down, offsets)
        return torch_moe_ttnn.unpermute(outputs, top_k_weights, grouping.positions)


class Layer(nn.Module):
    """A router, and experts."""

    def __init__(self, num_experts: int, top_k: int, hidden: int, inner: int):
        """Make a layer with random parameters, of which a token takes ``top_k`` experts."""
        super().__init__()
        self.top_k = top_k
        self.router = nn.Linear(hidden, num_experts, bias=False)
        self.experts = Experts(num_experts, hidden, inner)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return (T, hidden)."""
        weights, ids = torch.topk(torch.softmax(self.router(hidden_states), dim=-1), self.top_k)
        return self.experts(hidden_states, ids, weights)


def step(layer: Layer, tokens: Tensor) -> list[Tensor]:
    """Run the layer forward and backward; return its outputs and the gradients of tokens, router and experts."""
    tokens = tokens.clone().requires_grad_()
    outputs = layer(tokens)
    outputs.square().sum().backward()
    return [outputs.detach(), tokens.grad, *(parameter.grad for parameter in layer.parameters())]


def part_of(results: list[Tensor], placement: Placement) -> list[Tensor]:
    """Return what this rank has of the results of a process with all tokens and all experts."""
    outputs, of_tokens, of_router, *of_experts = results
    rank, num_ranks = dist.get_rank(), dist.get_world_size()
    own = [each.tensor_split(num_ranks)[rank] for each in (outputs, of_tokens)]
    return [*own, of_router, *(each[list(placement.local_experts)] for each in of_experts)]


def main() -> int:
    """Divide a layer among the ranks, and compare it with the whole one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu, or an accelerator such as tt (default: cpu)")
    parser.add_argument("--tokens", type=int, default=256, help="tokens of all ranks together (default: 256)")
    parser.add_argument("--experts", type=int, default=32, help="experts of all ranks together (default: 32)")
    arguments = parser.parse_args()
    if "LOCAL_RANK" not in os.environ:
        parser.exit(2, "expected torchrun: torchrun --nproc-per-node 2 examples/expert_parallel.py\n")
    try:
        torch.empty(0, device=arguments.device)
    except (RuntimeError, AssertionError) as error:
        parser.exit(2, f"--device {arguments.device}: {str(error).splitlines()[0]}\n")

    if arguments.device == "tt":
        # The device has kernels for the operators; the rest of the layer runs on the CPU, and that is known.
        torch.tt.set_fallback_mode("silent")
    if arguments.device != "cpu":
        torch.accelerator.set_device_index(int(os.environ["LOCAL_RANK"]) % torch.accelerator.device_count())
    dist.init_process_group()
    rank, num_ranks = dist.get_rank(), dist.get_world_size()

    torch.manual_seed(0)
    layer = Layer(arguments.experts, top_k=4, hidden=64, inner=32)
    tokens = torch.randn(arguments.tokens, 64)
    expected = step(layer, tokens)

    layer.zero_grad()
    placement = place_experts(arguments.experts)
    layer.experts = ExpertParallel.from_full(layer.experts, placement)
    layer.to(arguments.device)
    actual = step(layer, tokens.tensor_split(num_ranks)[rank].to(arguments.device))
    # The router is a copy on each rank, which has a part of its gradient.
    dist.all_reduce(actual[2])

    differences = []
    for a, e in zip(actual, part_of(expected, placement), strict=True):
        torch.testing.assert_close(a.cpu(), e, rtol=1e-4, atol=1e-4)
        # A rank may have no tokens or no experts.
        differences.append((a.cpu() - e).abs().max().item() if e.numel() > 0 else 0.0)
    largest = torch.tensor(differences, device=arguments.device)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    if rank == 0:
        held = ", ".join(str(len(experts)) for experts in placement.experts_of_ranks)
        print(
            f"{num_ranks} ranks on {arguments.device} with {held} experts, {arguments.tokens} tokens: "
            f"largest difference {largest[0]:.2g} in outputs, {largest[1:].max():.2g} in gradients"
        )
    dist.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main())
