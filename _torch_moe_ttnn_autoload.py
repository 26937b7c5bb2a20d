"""What ``import torch`` calls through the entry point ``torch.backends``.

It stands outside the package, for importing that may fail, and an exception here would break ``import torch`` for
everyone.
"""

import sys
import warnings


def autoload() -> None:
    """Import torch_moe_ttnn, which registers the device; a failure becomes a warning that names the cause."""
    try:
        # Where it is this package that imports torch, it is half imported by now, and registers the device itself.
        import torch_moe_ttnn  # noqa: F401
    except Exception as error:
        message = (
            f'The device "tt" is not available: torch_moe_ttnn failed to load. {type(error).__name__}: {error}\n'
            "(TORCH_DEVICE_BACKEND_AUTOLOAD=0 keeps torch from loading it.)"
        )
        try:
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        except RuntimeWarning:
            # Warnings are errors here.
            print(message, file=sys.stderr)
