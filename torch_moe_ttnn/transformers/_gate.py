"""What is between the two products of an expert."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.activations import SiLUActivation
from transformers.integrations.moe import _default_apply_gate


def activate(experts: Any, projected: Tensor) -> Tensor:  # noqa: ANN401
    """Apply the experts' gate, or, where they have none, their activation.

    Args:
        experts: A module that transformers' ``use_experts_implementation`` decorates.
        projected: (N, out of the first product), which nobody needs afterwards unless autograd does.

    Returns:
        (N, in of the second product), of any strides.

    Source: ``torch_moe_ttnn/transformers/_gate.py``.
    """
    if not experts.has_gate:
        activated: Tensor = experts.act_fn(projected)
    elif not torch.is_grad_enabled() and _has_common_gate(experts):
        # What most models have, in place: two more tensors of this size cost more than what is computed here.
        gate, up = projected.chunk(2, dim=-1)
        activated = functional.silu(gate, inplace=True).mul_(up)
    else:
        activated = experts._apply_gate(projected)
    return activated


def _has_common_gate(experts: Any) -> bool:  # noqa: ANN401
    """Return whether the gate is SiLU's, and nobody has put something in its place or looks on with a hook."""
    if getattr(experts._apply_gate, "__func__", None) is not _default_apply_gate:
        return False
    activation = experts.act_fn
    return type(activation) is SiLUActivation and not activation._forward_hooks and not activation._forward_pre_hooks
