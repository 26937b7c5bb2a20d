"""The name under which transformers finds the experts' computation."""

from transformers.integrations.moe import ExpertsInterface

from torch_moe_ttnn.transformers._experts import experts_forward

IMPLEMENTATION = "torch_moe_ttnn"
"""What ``model.set_experts_implementation`` and ``from_pretrained(experts_implementation=...)`` take."""


def register() -> None:
    """Make ``"torch_moe_ttnn"`` an implementation of experts that every model of transformers knows.

    Source: ``torch_moe_ttnn/transformers/_register.py``.
    """
    ExpertsInterface.register(IMPLEMENTATION, experts_forward)
