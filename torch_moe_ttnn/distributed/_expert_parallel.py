"""A layer's experts, divided among ranks."""

import itertools

import torch
from torch import Tensor, nn

from torch_moe_ttnn.distributed._dispatch import combine, dispatch
from torch_moe_ttnn.distributed._placement import Placement

_NAME = "torch_moe_ttnn.distributed.ExpertParallel"


class ExpertParallel(nn.Module):
    """A layer's experts, of which each rank holds and computes its own.

    It takes the place of the experts in a layer, and is called as Hugging Face's are.

    **Gradients of the experts are complete**: an expert's rank computes them from the tokens of all ranks, so that they
    are those of the *sum* of the ranks' losses. No parameter here is a copy of another rank's. DistributedDataParallel
    and FSDP, which take parameters to be copies and average their gradients, must leave them alone
    (``fully_shard(model, ignored_params=set(experts.parameters()))``); beside gradients that are averaged over R ranks,
    divide these by R. Only an expert that several ranks hold has parts of its gradient there, to be summed over
    its holders.

    Args:
        experts: This rank's L experts, a module that is called with ``hidden_states`` (N, H), ``top_k_index`` (N, 1),
            int64 in [0, L), and ``top_k_weights`` (N, 1), which are ones, and returns (N, H). On a rank with L = 0
            it is not called. N may be 0.
        placement: Which rank holds which experts, of :func:`place_experts`.
        max_tokens: The capacity of an expert over all ranks, see :func:`dispatch`.

    Attributes:
        dropped: (E,), int64, on the CPU: how many choices of each expert, on all ranks, the last call dropped; None
            before the first.

    Source: ``torch_moe_ttnn/distributed/_expert_parallel.py``.
    """

    def __init__(self, experts: nn.Module, placement: Placement, *, max_tokens: int | None = None) -> None:
        super().__init__()
        self.experts = experts
        self.placement = placement
        self.max_tokens = max_tokens
        self.dropped: Tensor | None = None

    @classmethod
    def from_full(cls, experts: nn.Module, placement: Placement, *, max_tokens: int | None = None) -> "ExpertParallel":
        """Keep this rank's experts of a module that has all of them.

        The module is changed: each of its parameters and buffers, which have the dimension 0 of size E, keeps the rows
        of the local experts in their order, and ``num_experts``, where the module has it, becomes L.

        Args:
            experts: All E experts, the same on every rank, such as Hugging Face's with its 3D parameters.
            placement: See :class:`ExpertParallel`.
            max_tokens: See :class:`ExpertParallel`.

        Raises:
            ValueError: a parameter or buffer whose dimension 0 is not of size E, a parameter that has a gradient, a
                place for an expert that stays empty. Nothing was changed.
        """
        tensors = dict(itertools.chain(experts.named_parameters(), experts.named_buffers()))
        for name, tensor in tensors.items():
            if tensor.ndim == 0 or tensor.shape[0] != placement.num_experts:
                raise ValueError(
                    f"{_NAME}.from_full: expected tensors with num_experts = {placement.num_experts} as the size of "
                    f"dimension 0, got {name} of shape {tuple(tensor.shape)}"
                )
            if tensor.grad is not None:
                raise ValueError(f"{_NAME}.from_full: expected parameters without a gradient, got one of {name}")
        if -1 in placement.local_experts:
            raise ValueError(f"{_NAME}.from_full: expected an expert in each place, got {placement.local_experts}")
        kept = torch.tensor(placement.local_experts, dtype=torch.int64, device="cpu")
        for tensor in tensors.values():
            # The parameter stays the object that it was, for whoever holds it.
            tensor.data = tensor.data[kept.to(tensor.device)]
        if hasattr(experts, "num_experts"):
            experts.num_experts = len(placement.local_experts)  # type: ignore[assignment]
        return cls(experts, placement, max_tokens=max_tokens)

    @property
    def num_experts(self) -> int:
        """E, on all ranks."""
        return self.placement.num_experts

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """Compute the experts of this rank's tokens, wherever they are: a collective call.

        Args:
            hidden_states: (T, H), see :func:`dispatch`.
            top_k_index: (T, K), ids in [0, E) or "no expert".
            top_k_weights: (T, K).

        Returns:
            (T, H): for each token the weighted sum of its experts' outputs.
        """
        dispatched = dispatch(
            hidden_states,
            top_k_index,
            top_k_weights,
            self.placement,
            max_tokens=self.max_tokens,
            experts_require_grad=any(parameter.requires_grad for parameter in self.experts.parameters()),
        )
        self.dropped = dispatched.dropped
        outputs = rows = dispatched.rows
        if self.placement.local_experts:
            outputs = self.experts(rows, dispatched.local_experts[:, None], rows.new_ones(rows.shape[0], 1))
        return combine(outputs, dispatched)

    def extra_repr(self) -> str:
        """Say what is held where."""
        held = f"{len(self.placement.local_experts)} of {self.placement.num_experts} experts"
        return f"{held} on rank {self.placement.rank}, max_tokens={self.max_tokens}"
