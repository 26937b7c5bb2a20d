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
    elif (
        type(experts)._apply_gate is _default_apply_gate
        and isinstance(experts.act_fn, SiLUActivation)
        and not torch.is_grad_enabled()
    ):
        # What most models have, in place: two more tensors of this size cost more than what is computed here.
        gate, up = projected.chunk(2, dim=-1)
        activated = functional.silu(gate, inplace=True).mul_(up)
    else:
        activated = experts._apply_gate(projected)
    return activated
