"""Expert parallelism on ``torch.distributed``: each rank holds some of a layer's experts, and tokens travel to them.

:func:`place_experts` says once which rank holds which experts; :func:`dispatch` sends tokens there, :func:`combine`
sums what comes back, and :class:`ExpertParallel` is both around a layer's experts. See ``docs/distributed.md``.
"""

from torch_moe_ttnn.distributed._compile import leave_out_of_graphs
from torch_moe_ttnn.distributed._dispatch import Dispatched, combine, dispatch
from torch_moe_ttnn.distributed._expert_parallel import ExpertParallel
from torch_moe_ttnn.distributed._placement import Placement, place_experts

leave_out_of_graphs()
del leave_out_of_graphs

__all__ = ["Dispatched", "ExpertParallel", "Placement", "combine", "dispatch", "place_experts"]
