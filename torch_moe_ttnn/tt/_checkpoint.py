"""Activation checkpointing in a graph that runs as it was captured."""

from typing import Any

import torch
from torch.fx import GraphModule
from torch.utils.checkpoint import checkpoint


def keep_random_numbers(graph_module: GraphModule) -> None:
    """Let the checkpoints in a graph draw the same random numbers when they recompute.

    PyTorch's operator for a checkpoint in a graph leaves that to later stages of compilation. This graph has none of
    them, and the operator run by itself draws others.
    """
    for module in graph_module.modules():
        if not isinstance(module, GraphModule):
            continue
        nodes = module.graph.find_nodes(
            op="call_function", target=torch.ops.higher_order.tag_activation_checkpoint, sort=False
        )
        for node in nodes:
            node.target = _checkpoint
        if nodes:
            module.recompile()


def _checkpoint(body: GraphModule, *args: object, use_reentrant: bool = False, **options: Any) -> object:  # noqa: ANN401
    """Run a checkpoint's body as ``torch.utils.checkpoint`` does outside graphs.

    It is never the reentrant one, as in PyTorch's operator.
    """
    context_fn = body.meta.get("_checkpoint_context_fn")
    if context_fn is not None:
        options["context_fn"] = context_fn
    return checkpoint(body, *args, use_reentrant=False, **options)
