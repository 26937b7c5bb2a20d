"""What becomes of operators that have no kernel for tt."""

from typing import Literal

from torch_moe_ttnn import _C

Mode = Literal["silent", "warn", "error"]


def get_fallback_mode() -> Mode:
    """Return what becomes of an operator that has no kernel for tt; see ``set_fallback_mode``.

    Raises:
        RuntimeError: the environment variable ``TORCH_TT_FALLBACK`` is none of the modes.
    """
    return _C.tt.fallback_mode()


def set_fallback_mode(mode: Mode) -> None:
    """Say what becomes of an operator that has no kernel for tt.

    Until this is called, it is what the environment variable ``TORCH_TT_FALLBACK`` says, or else ``"warn"``.

    Args:
        mode: ``"silent"``: it runs on the CPU, with copies there and back; ``"warn"``: so it does, with a warning at
            the first call of each operator from now on; ``"error"``: it raises a ``NotImplementedError``.

    Raises:
        ValueError: the mode is none of these.
    """
    _C.tt.set_fallback_mode(mode)
