"""How the operators and their derivatives take sharded tensors, along one dimension of a mesh.

Every operator takes replicated tensors and gives replicated ones. A rule is what else it takes as it is. What no rule
takes is replicated first. Results have the bits that they have without a mesh, so that no rule leaves a sum of rounded
numbers to the ranks: a result is ``Partial`` only where one rank has a number and the others have 0.
"""

from typing import NamedTuple

from torch.distributed.tensor import Partial, Placement, Replicate, Shard

__all__ = ["RULES", "Rule", "rule_for"]

Placements = dict[str, Placement]


class Rule(NamedTuple):
    """Shardings of an operator's arguments, by their names, and of its outputs."""

    given: Placements
    """What the arguments have."""
    outputs: tuple[Placement, ...]
    gradient: Placement | None = None
    """What ``grad`` gets, whatever it has: it follows the tensors that the forward pass saved."""

    @property
    def inputs(self) -> Placements:
        """What all arguments get."""
        return self.given if self.gradient is None else self.given | {"grad": self.gradient}


_REPLICATE, _ROWS, _COLUMNS = Replicate(), Shard(0), Shard(1)

RULES: dict[str, list[Rule]] = {
    "prepare_mapping": [
        # Tokens.
        Rule({"selected_experts": _ROWS, "routing_weights": _ROWS, "local_experts": _REPLICATE}, (_ROWS,)),
        # Experts.
        Rule({"selected_experts": _REPLICATE, "routing_weights": _REPLICATE, "local_experts": _ROWS}, (_COLUMNS,)),
    ],
    "prepare_mapping_backward": [
        Rule({"selected_experts": _ROWS, "local_experts": _REPLICATE}, (_ROWS,), _ROWS),
        # A choice has its gradient from the rank that holds its expert.
        Rule({"selected_experts": _REPLICATE, "local_experts": _ROWS}, (Partial(),), _COLUMNS),
    ],
    "prepare_routing": [
        Rule(
            {"selected_experts": _REPLICATE, "routing_weights": _REPLICATE, "local_experts": _ROWS},
            (_COLUMNS, _ROWS, _ROWS),
        ),
    ],
    "prepare_routing_backward": [
        Rule({"selected_experts": _REPLICATE, "local_experts": _ROWS}, (Partial(),), _ROWS),
    ],
    "prepare_grouping": [],
    "permute": [
        Rule({"hidden": _COLUMNS, "grouped_tokens": _REPLICATE}, (_COLUMNS,)),
        Rule({"hidden": _REPLICATE, "grouped_tokens": _ROWS}, (_ROWS,)),
    ],
    "permute_backward": [
        Rule({"grad": _COLUMNS, "grouped_tokens": _REPLICATE}, (_COLUMNS,)),
    ],
    "unpermute": [
        Rule({"expert_outputs": _COLUMNS, "routing_weights": _REPLICATE, "positions": _REPLICATE}, (_COLUMNS,)),
        Rule({"expert_outputs": _REPLICATE, "routing_weights": _ROWS, "positions": _ROWS}, (_ROWS,)),
    ],
    "unpermute_backward_expert_outputs": [
        Rule({"grad": _COLUMNS, "routing_weights": _REPLICATE, "positions": _REPLICATE}, (_COLUMNS,)),
    ],
    "unpermute_backward_routing_weights": [
        Rule({"expert_outputs": _REPLICATE, "routing_weights": _ROWS, "positions": _ROWS}, (_ROWS,), _ROWS),
    ],
}
"""By the operator's name in ``torch.ops.moe``. An argument that is not given fits any rule that replicates it."""


def rule_for(rules: list[Rule], placements: Placements, num_outputs: int) -> Rule:
    """Return the rule that takes arguments as they are, or that which replicates them."""
    for rule in rules:
        if all(placements.get(name, _REPLICATE) == placement for name, placement in rule.given.items()):
            return rule
    return Rule(dict.fromkeys(placements, _REPLICATE), (_REPLICATE,) * num_outputs)
