"""Lets DTensors go through the operators and their derivatives; imported once ``torch.distributed.tensor`` is.

``torch.distributed.tensor.experimental.register_sharding`` would take the rules, but DTensor redistributes no keyword
argument, which ``local_experts`` is, and does not look at values, as a repeated expert asks for.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Placement, Replicate, Shard

from torch_moe_ttnn._sharding import RULES, Rule, rule_for
from torch_moe_ttnn.ops import EXPERT_ALIGNMENT

__all__ = ["register"]

_Arguments = dict[str, Any]
_Operator = torch._ops.OpOverload[Any, Any]

# Gloo carries no ids of these dtypes.
_NOT_CARRIED = (torch.uint16, torch.uint32)


def register() -> None:
    """Register what runs where an argument of an operator is a DTensor."""
    for name, rules in RULES.items():
        torch.library.register_torch_dispatch(f"moe::{name}", DTensor, partial(_dispatch, rules))


def _dispatch(
    rules: list[Rule],
    _: type[DTensor],
    func: _Operator,
    types: Sequence[type],
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> object:
    arguments = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | (kwargs or {})
    tensors = _tensors_of(func, arguments)
    if func._schema.name == "moe::prepare_grouping":
        _refuse_shards(tensors)
    if func._schema.name.startswith("moe::prepare_routing") and not _has_whole_rows(tensors.get("local_experts")):
        rules = []
    # Autograd is above this.
    with torch.no_grad():
        # What is wrong with the arguments is raised here, on every rank.
        expected = _call(func, arguments | {name: _on_meta(tensor) for name, tensor in tensors.items()})
        mesh = next(iter(tensors.values())).device_mesh
        by_dim = [
            rule_for(rules, {name: tensor.placements[dim] for name, tensor in tensors.items()}, len(expected))
            for dim in range(mesh.ndim)
        ]
        placed = {
            name: _redistribute(tensor, [rule.inputs[name] for rule in by_dim]) for name, tensor in tensors.items()
        }
        if mesh.get_coordinate() is None:
            # A rank outside the mesh has empty tensors.
            results = [torch.empty(0, dtype=output.dtype, device=mesh.device_type) for output in expected]
        else:
            local = {name: tensor.to_local() for name, tensor in placed.items()}
            if "local_experts" in placed:
                local["local_experts"] = _without_repeated(placed["local_experts"])
            results = _call(func, arguments | local)
        outputs = tuple(
            _from_local(result, mesh, [rule.outputs[i] for rule in by_dim], expected[i])
            for i, result in enumerate(results)
        )
    return outputs[0] if len(outputs) == 1 else outputs


def _call(func: _Operator, arguments: _Arguments) -> list[Tensor]:
    keywords = {argument.name for argument in func._schema.arguments if argument.kwarg_only}
    positional = [value for name, value in arguments.items() if name not in keywords]
    outputs = func(*positional, **{name: value for name, value in arguments.items() if name in keywords})
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def _tensors_of(func: _Operator, arguments: _Arguments) -> dict[str, DTensor]:
    tensors = {}
    for name, value in arguments.items():
        if isinstance(value, DTensor):
            tensors[name] = value
        elif isinstance(value, Tensor):
            raise RuntimeError(
                f"{func._schema.name}: expected DTensors alone, got a torch.Tensor as {name}: make it one with "
                "torch.distributed.tensor.distribute_tensor or DTensor.from_local"
            )
    (first_name, first), *others = tensors.items()
    for name, tensor in others:
        if tensor.device_mesh != first.device_mesh:
            raise RuntimeError(
                f"{func._schema.name}: expected DTensors on one mesh, got {first_name} on {first.device_mesh} and "
                f"{name} on {tensor.device_mesh}"
            )
    return tensors


def _refuse_shards(tensors: dict[str, DTensor]) -> None:
    for name, tensor in tensors.items():
        if not all(isinstance(placement, Replicate | Partial) for placement in tensor.placements):
            raise RuntimeError(
                f"moe::prepare_grouping: expected replicated inputs, got {name} with placements {tensor.placements}; a "
                "grouping's offsets and positions speak of one device's rows: call it on each device's own tensors, "
                "inside torch.distributed.tensor.experimental.local_map, or redistribute the inputs"
            )


def _has_whole_rows(local_experts: DTensor | None) -> bool:
    """Return whether the rows of every rank's experts need no padding, and so are shards of all rows."""
    if local_experts is None:
        return False
    sizes = {local_experts.shape[0]}
    for dim, placement in enumerate(local_experts.placements):
        if placement == Shard(0):
            num = local_experts.device_mesh.size(dim)
            sizes = {Shard.local_shard_size_and_offset(size, num, i)[0] for size in sizes for i in range(num)}
    return all(size % EXPERT_ALIGNMENT == 0 for size in sizes)


def _without_repeated(local_experts: DTensor) -> Tensor:
    """Return a rank's experts; "no expert" for those that a later rank has again, which gets their choices."""
    own = local_experts.to_local()
    mesh, placements = local_experts.device_mesh, local_experts.placements
    if all(placement == Replicate() for placement in placements):
        return own
    everyone = _redistribute(local_experts, [Replicate()] * mesh.ndim).to_local()
    # Where the rank's shard ends, in plain numbers: PyTorch's own function for it reads a tensor, which graphs refuse.
    size, end, coordinate = local_experts.shape[0], 0, mesh.get_coordinate()
    assert coordinate is not None
    for dim, placement in enumerate(placements):
        if placement == Shard(0):
            size, offset = Shard.local_shard_size_and_offset(size, mesh.size(dim), coordinate[dim])
            end += offset
    end += size
    ids, later = own.to(torch.int64), everyone[end:].to(torch.int64)
    repeated = (ids.unsqueeze(1) == later).any(dim=1)
    return ids.masked_fill(repeated, -1).to(own.dtype)


def _redistribute(tensor: DTensor, placements: Sequence[Placement]) -> DTensor:
    if tuple(placements) == tensor.placements:
        return tensor
    if tensor.dtype not in _NOT_CARRIED:
        return tensor.redistribute(placements=placements)
    wide = cast(DTensor, tensor.to(torch.int64))
    return cast(DTensor, wide.redistribute(placements=placements).to(tensor.dtype))


def _on_meta(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def _from_local(local: Tensor, mesh: DeviceMesh, placements: Sequence[Placement], like: Tensor) -> DTensor:
    """Return a DTensor of a tensor's shape and strides, of which each rank has a part."""
    return DTensor.from_local(local, mesh, placements, run_check=False, shape=like.shape, stride=like.stride())
