"""The dtypes that the operators take, and choices on a device."""

import torch

from torch_moe_ttnn.testing import make_choices

NO_EXPERT = {torch.uint16: 0xFFFF, torch.uint32: 0xFFFFFFFF, torch.int32: -1, torch.int64: -1}
"""The id that routes nowhere, for each dtype of ids."""

ID_DTYPES = list(NO_EXPERT)
WEIGHT_DTYPES = [torch.bfloat16, torch.float16, torch.float32]


def choices_on(device, num_tokens, top_k=4, num_experts=16, **options) -> list[torch.Tensor]:
    """Return what ``make_choices`` does, on a device."""
    return [tensor.to(device) for tensor in make_choices(num_tokens, top_k, num_experts, **options)]
