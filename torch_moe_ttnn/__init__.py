"""Mixture-of-Experts routing operators for PyTorch, for CPU and Tenstorrent devices.

Importing the package registers the operators ``prepare_mapping``, ``prepare_routing``, ``prepare_grouping``,
``permute``, ``grouped_linear`` and ``unpermute`` in ``torch.ops.moe``, and the device ``tt`` with its module
``torch.tt``. ``torch_moe_ttnn.transformers`` has Hugging Face's models use them, ``torch_moe_ttnn.distributed`` divides
experts among processes, ``torch_moe_ttnn.ttnn`` takes ttnn's tensors; each is imported by itself.
"""

from torch_moe_ttnn._load import library_path, load

load()
del load

from torch_moe_ttnn import _fake, _script, _vmap  # noqa: E402, F401
from torch_moe_ttnn._balance import LoadBalance, load_balance  # noqa: E402
from torch_moe_ttnn._recorder import ChoiceRecorder, Choices, record_choices  # noqa: E402
from torch_moe_ttnn._router import select_experts  # noqa: E402
from torch_moe_ttnn._version import __version__  # noqa: E402
from torch_moe_ttnn._when_imported import when_imported  # noqa: E402
from torch_moe_ttnn.ops import (  # noqa: E402
    EXPERT_ALIGNMENT,
    PADDING_TOKEN,
    Grouping,
    Routing,
    grouped_linear,
    padded_num_experts,
    permute,
    prepare_grouping,
    prepare_mapping,
    prepare_routing,
    unpermute,
)
from torch_moe_ttnn.tt._register import register  # noqa: E402

register()
del register


def _take_dtensors() -> None:
    from torch_moe_ttnn._dtensor import register

    register()


when_imported("torch.distributed.tensor", _take_dtensors)
del when_imported

__all__ = [
    "EXPERT_ALIGNMENT",
    "PADDING_TOKEN",
    "ChoiceRecorder",
    "Choices",
    "Grouping",
    "LoadBalance",
    "Routing",
    "__version__",
    "grouped_linear",
    "library_path",
    "load_balance",
    "padded_num_experts",
    "permute",
    "prepare_grouping",
    "prepare_mapping",
    "prepare_routing",
    "record_choices",
    "select_experts",
    "unpermute",
]
