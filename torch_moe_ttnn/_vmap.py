"""Lets ``torch.vmap`` run the operators and their derivatives.

``torch.library.register_vmap`` takes no operator that has a keyword-only tensor, which ``local_experts`` is; what is
registered here does as what it would register.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any

import torch
from torch import Tensor
from torch._functorch.autograd_function import VmapInfo, custom_function_call_vmap_helper
from torch._functorch.pyfunctorch import VmapInterpreter, retrieve_current_functorch_interpreter
from torch.utils._pytree import tree_map

_Value = Tensor | int | torch.SymInt | None
_Call = Callable[..., Any]
_Dims = Sequence[int | None]
_Batched = tuple[Any, int]
"""Outputs, and in which of their dimensions the elements are."""


def _by_element(call: _Call, info: VmapInfo, dims: _Dims, *values: _Value) -> _Batched:
    """Call once for each element of the batch."""
    if info.batch_size == 0:
        return _of_no_elements(call, dims, *values)

    def elements(value: _Value, dim: int | None) -> Iterable[_Value]:
        return value.unbind(dim) if isinstance(value, Tensor) and dim is not None else repeat(value, info.batch_size)

    outputs = list(map(call, *(elements(*each) for each in zip(values, dims, strict=True))))
    if isinstance(outputs[0], Tensor):
        return torch.stack(outputs), 0
    return tuple(map(torch.stack, zip(*outputs, strict=True))), 0


def _of_no_elements(call: _Call, dims: _Dims, *values: _Value) -> _Batched:
    """Return outputs of the shapes that an element would have."""

    def element(value: _Value, dim: int | None) -> _Value:
        if not isinstance(value, Tensor):
            return value
        sizes = [size for i, size in enumerate(value.shape) if i != dim]
        return torch.empty(sizes, dtype=value.dtype, device="meta")

    outputs = call(*(element(*each) for each in zip(values, dims, strict=True)))
    device = next(value.device for value in values if isinstance(value, Tensor))
    return tree_map(lambda output: torch.empty((0, *output.shape), dtype=output.dtype, device=device), outputs), 0


def _as_more_tokens(call: _Call, info: VmapInfo, dims: _Dims, *values: _Value) -> _Batched:
    """Call once, with the tokens of all elements: a token's row of the output depends on that token alone.

    An id that is out of range is named by its place among them.
    """
    *others, local_experts = values
    *other_dims, local_dim = dims
    if local_dim is not None:
        return _by_element(call, info, dims, *values)

    def first(value: _Value, dim: int | None) -> _Value:
        if not isinstance(value, Tensor):
            return value
        return value.expand(info.batch_size, *value.shape) if dim is None else value.movedim(dim, 0)

    others = [first(*each) for each in zip(others, other_dims, strict=True)]
    folded = (value.flatten(0, 1) if isinstance(value, Tensor) else value for value in others)
    assert isinstance(others[0], Tensor)
    elements, num_tokens, *_ = others[0].shape
    return call(*folded, local_experts).unflatten(0, (elements, num_tokens)), 0


def _as_more_columns(call: _Call, info: VmapInfo, dims: _Dims, rows: Tensor, *others: _Value) -> _Batched:
    """Call once, with the columns of all elements, where they share the index: columns do not depend on each other."""
    rows_dim, *other_dims = dims
    # Of elements that are no matrices the operator says what it says without vmap.
    if rows.dim() != 3 or rows_dim is None or any(dim is not None for dim in other_dims):
        return _by_element(call, info, dims, rows, *others)
    last = rows.movedim(rows_dim, -1)
    return call(last.flatten(1), *others).unflatten(1, last.shape[1:]), 2


_RULES: dict[str, Callable[..., _Batched]] = {
    "prepare_mapping": _as_more_tokens,
    "prepare_mapping_backward": _as_more_tokens,
    "prepare_routing": _by_element,
    "prepare_routing_backward": _by_element,
    "prepare_grouping": _by_element,
    "permute": _as_more_columns,
    "permute_backward": _as_more_columns,
    "unpermute": _as_more_columns,
    "unpermute_backward_expert_outputs": _as_more_columns,
    "unpermute_backward_routing_weights": _by_element,
    "grouped_linear": _by_element,
    "grouped_linear_backward_weight": _by_element,
}


def _register(library: torch.library.Library, name: str, rule: Callable[..., _Batched]) -> None:
    operator = getattr(torch.ops.moe, name).default
    arguments = operator._schema.arguments
    num_positional = sum(not argument.kwarg_only for argument in arguments)
    keywords = [argument.name for argument in arguments[num_positional:]]

    def call(*values: _Value) -> object:
        return operator(*values[:num_positional], **dict(zip(keywords, values[num_positional:], strict=True)))

    def with_call(info: VmapInfo, dims: _Dims, *values: _Value) -> _Batched:
        return rule(call, info, dims, *values)

    def kernel(_: torch._C.DispatchKeySet, *args: _Value, **kwargs: _Value) -> object:
        # In the schema's order, with its defaults.
        values = [*args, *(kwargs.get(argument.name, argument.default_value) for argument in arguments[len(args) :])]
        interpreter = retrieve_current_functorch_interpreter()
        assert isinstance(interpreter, VmapInterpreter)
        return custom_function_call_vmap_helper(interpreter, with_call, call, *values)

    library.impl(name, kernel, "FuncTorchBatched", with_keyset=True)  # type: ignore[no-untyped-call]


# Kept, for what it registers goes with it.
_library = torch.library.Library("moe", "IMPL")  # type: ignore[no-untyped-call]
for _name, _rule in _RULES.items():
    _register(_library, _name, _rule)
