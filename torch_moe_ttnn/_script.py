"""The typed wrappers in TorchScript, which cannot compile them: it knows no keyword-only arguments with defaults."""

from torch.jit import _builtins

from torch_moe_ttnn import ops

for _function in (
    ops.prepare_mapping,
    ops.prepare_routing,
    ops.prepare_grouping,
    ops.permute,
    ops.unpermute,
    ops.grouped_linear,
):
    _name = _function.__name__
    # A scripted function that calls a wrapper calls the operator: a tuple is what it returns of several outputs.
    _builtins._register_builtin(_function, f"moe::{_name}")
    # A wrapper that is scripted itself. PyTorch says this in one line.
    setattr(
        _function,
        "__script_unsupported",
        f"torch_moe_ttnn.{_name} cannot be scripted itself; script a function that calls it or torch.ops.moe.{_name}",
    )
