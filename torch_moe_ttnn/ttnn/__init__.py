"""The operators on ``ttnn.Tensor``s, by ttnn's own launches: no copy, no other device, no wait.

Importing ``torch_moe_ttnn.ttnn`` imports ttnn; importing ``torch_moe_ttnn`` does not. ``docs/ttnn.md`` begins here.
"""

from torch_moe_ttnn.ttnn._interchange import from_ttnn, to_ttnn
from torch_moe_ttnn.ttnn._operators import (
    Grouping,
    Routing,
    check,
    permute,
    prepare_grouping,
    prepare_mapping,
    prepare_routing,
)
from torch_moe_ttnn.ttnn._register import register

__all__ = [
    "Grouping",
    "Routing",
    "check",
    "from_ttnn",
    "permute",
    "prepare_grouping",
    "prepare_mapping",
    "prepare_routing",
    "register",
    "to_ttnn",
]
