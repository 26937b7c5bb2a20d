"""The name under which transformers finds the experts' computation."""

from torch_moe_ttnn.transformers._experts import experts_forward

IMPLEMENTATION = "torch_moe_ttnn"
"""What ``model.set_experts_implementation`` and ``from_pretrained(experts_implementation=...)`` take."""


def register() -> None:
    """Make ``"torch_moe_ttnn"`` an implementation of experts that every model of transformers knows.

    Raises:
        ImportError: transformers is not installed, or has no ``ExpertsInterface``.

    Source: ``torch_moe_ttnn/transformers/_register.py``.
    """
    try:
        from transformers.integrations.moe import ExpertsInterface
    except ImportError as error:
        message = (
            "torch_moe_ttnn.transformers expects a transformers with ExpertsInterface, and it could not be imported: "
            'install one with pip install "torch_moe_ttnn[transformers]"'
        )
        raise ImportError(message) from error
    ExpertsInterface.register(IMPLEMENTATION, experts_forward)
