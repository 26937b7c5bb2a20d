"""What tests and benchmarks of the operators need: synthetic choices, published models' sizes, a plain reference.

``reference`` is a module with all operators in plain PyTorch.
"""

from torch_moe_ttnn.testing import reference
from torch_moe_ttnn.testing._choices import DISTRIBUTIONS, make_choices
from torch_moe_ttnn.testing._models import MODELS, Model

__all__ = ["DISTRIBUTIONS", "MODELS", "Model", "make_choices", "reference"]
