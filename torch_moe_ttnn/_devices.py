"""The devices of this machine that run the operators."""

import torch


def available() -> list[str]:
    """Return their names, as ``torch.device`` takes them."""
    return ["cpu", "tt"] if torch.tt.is_available() else ["cpu"]
