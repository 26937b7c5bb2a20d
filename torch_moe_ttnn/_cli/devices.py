"""The devices of this machine that run the operators."""

from torch_moe_ttnn import tt


def available() -> list[str]:
    """Return their names, as ``torch.device`` takes them."""
    return ["cpu", "tt"] if tt.is_available() else ["cpu"]
