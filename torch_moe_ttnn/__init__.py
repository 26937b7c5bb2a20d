"""Mixture-of-Experts routing operators for PyTorch, for CPU and Tenstorrent devices.

Importing the package registers ``torch.ops.moe.prepare_mapping`` and ``torch.ops.moe.prepare_routing``, and the device
``tt`` with its module ``torch.tt``.
"""

from torch_moe_ttnn import _library

_C = _library.load()

from torch_moe_ttnn import _fake  # noqa: E402, F401
from torch_moe_ttnn._version import __version__  # noqa: E402
from torch_moe_ttnn.ops import Routing, prepare_mapping, prepare_routing  # noqa: E402
from torch_moe_ttnn.tt._register import register  # noqa: E402

register()
del register

EXPERT_ALIGNMENT: int = _C.EXPERT_ALIGNMENT
"""Rows of the routing outputs are padded to a multiple of this."""

PADDING_TOKEN: int = _C.PADDING_TOKEN
"""Fills ``routed_tokens`` after a row's last token."""

__all__ = [
    "EXPERT_ALIGNMENT",
    "PADDING_TOKEN",
    "Routing",
    "__version__",
    "prepare_mapping",
    "prepare_routing",
]
