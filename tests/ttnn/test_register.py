"""The names that the operators have in tt-metal's fork, as its documents use them."""

import pytest
import torch
from tensors import check_outputs, moe, ttnn

from torch_moe_ttnn.testing import make_choices

pytestmark = pytest.mark.dispatch


@pytest.fixture(autouse=True)
def registered():
    moe.register()
    moe.register()
    yield
    del ttnn.prepare_moe_mapping_tensor, ttnn.prepare_moe_routing_tensors


@pytest.fixture
def inputs(device, request):
    experts, weights = make_choices(32, 4, request.param, id_dtype=torch.int32)
    options = {"layout": ttnn.ROW_MAJOR_LAYOUT, "device": device, "memory_config": ttnn.DRAM_MEMORY_CONFIG}
    selected_experts = ttnn.from_torch(experts, dtype=ttnn.uint32, **options)
    routing_weights = ttnn.from_torch(weights, dtype=ttnn.bfloat16, **options)
    return (experts, weights), selected_experts, routing_weights, request.param


sizes = pytest.mark.parametrize("inputs", [16, 128], indirect=True)


@sizes
def test_mapping(inputs):
    on_host, selected_experts, routing_weights, num_experts = inputs
    mapping = ttnn.prepare_moe_mapping_tensor(selected_experts, routing_weights, num_experts)
    check_outputs("prepare_mapping", on_host, mapping, num_experts)
    mapping = ttnn.prepare_moe_mapping_tensor(selected_experts, routing_weights, num_experts=num_experts)
    check_outputs("prepare_mapping", on_host, mapping, num_experts)


@sizes
def test_routing(inputs):
    on_host, selected_experts, routing_weights, num_experts = inputs
    num_routed_tokens, routed_tokens, routed_token_weights = ttnn.prepare_moe_routing_tensors(
        selected_experts, routing_weights, num_experts=num_experts
    )
    outputs = (num_routed_tokens, routed_tokens, routed_token_weights)
    check_outputs("prepare_routing", on_host, outputs, num_experts)
    outputs = ttnn.prepare_moe_routing_tensors(selected_experts, routing_weights, num_experts)
    check_outputs("prepare_routing", on_host, outputs, num_experts)


def test_ttnn_s_own_functions_stay(monkeypatch):
    monkeypatch.setattr(ttnn, "prepare_moe_routing_tensors", print)
    with pytest.raises(RuntimeError, match="expected ttnn without prepare_moe_routing_tensors"):
        moe.register()
