"""The operators as the tests call them."""

import torch

import torch_moe_ttnn
from torch_moe_ttnn.testing import reference


class Operator:
    """An operator, under all the names it goes by."""

    def __init__(self, name: str):
        self.name = f"moe::{name}"
        self.overload = getattr(torch.ops.moe, name).default
        self.wrapper = getattr(torch_moe_ttnn, name)
        self.reference = getattr(reference, name)

    def __call__(self, *arguments, **options) -> tuple[torch.Tensor, ...]:
        """Call it through torch.ops; one output is a tuple too."""
        return as_tuple(self.overload(*arguments, **options))

    def expected(self, *arguments, **options) -> tuple[torch.Tensor, ...]:
        """Return what it should give."""
        return as_tuple(self.reference(*arguments, **options))


def as_tuple(outputs) -> tuple[torch.Tensor, ...]:
    return (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)


MAPPING = Operator("prepare_mapping")
ROUTING = Operator("prepare_routing")
GROUPING = Operator("prepare_grouping")
PERMUTE = Operator("permute")
UNPERMUTE = Operator("unpermute")
GROUPED_LINEAR = Operator("grouped_linear")

# Every operator and derivative that has a kernel, by its name in torch.ops.moe.
KERNELS = [
    "prepare_mapping",
    "prepare_mapping_backward",
    "prepare_routing",
    "prepare_routing_backward",
    "prepare_grouping",
    "permute",
    "permute_backward",
    "unpermute",
    "unpermute_backward_expert_outputs",
    "unpermute_backward_routing_weights",
    "grouped_linear",
    "grouped_linear_backward_weight",
]
