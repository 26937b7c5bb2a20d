"""The devices of this machine that run the operators."""


def available() -> list[str]:
    """Return their names, as ``torch.device`` takes them."""
    return ["cpu", "tt"]
