"""Hugging Face's experts, called on every rank by ``test_expert_parallel.py``."""

import copy

import torch
from torch import distributed as dist
from transformers import GptOssConfig, Qwen3MoeConfig, Qwen3MoeForCausalLM
from transformers.models.gpt_oss.modeling_gpt_oss import GptOssExperts
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeExperts

from torch_moe_ttnn.distributed import ExpertParallel, place_experts

SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}


def compare(experts, num_experts):
    """Compare a whole module with its parts on the ranks, forward and backward."""
    torch.manual_seed(0)
    for parameter in experts.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    hidden = torch.randn(2, 9, 32)
    ids = torch.rand(2, 9, num_experts).topk(2).indices
    weights = torch.rand(2, 9, 2)
    direction = torch.randn(2, 9, 32)
    rank = dist.get_rank()
    for implementation in ("eager", "grouped_mm"):
        experts.config._experts_implementation = implementation
        whole = copy.deepcopy(experts)
        expected = whole(*(each.flatten(0, 1) for each in (hidden, ids, weights)))
        expected.backward(direction.flatten(0, 1))
        # Rank 0 has the even ones, from the last.
        held = [list(range(0, num_experts, 2))[::-1], list(range(1, num_experts, 2))][rank]
        parallel = ExpertParallel.from_full(copy.deepcopy(experts), place_experts(num_experts, held))
        outputs = parallel(hidden[rank], ids[rank], weights[rank])
        torch.testing.assert_close(outputs, expected.view(2, 9, 32)[rank])
        outputs.backward(direction[rank])
        for name, parameter in parallel.experts.named_parameters():
            torch.testing.assert_close(parameter.grad, whole.get_parameter(name).grad[held])
        # No row comes to rank 1.
        outputs = parallel(hidden[rank], torch.zeros_like(ids[rank]), weights[rank])
        outputs.sum().backward()


def case_qwen3_moe():
    config = Qwen3MoeConfig(**SIZES, moe_intermediate_size=16, num_experts=6, num_experts_per_tok=2)
    compare(Qwen3MoeExperts(config), 6)


def case_gpt_oss():
    config = GptOssConfig(**SIZES, intermediate_size=32, num_local_experts=5, num_experts_per_tok=2)
    compare(GptOssExperts(config), 5)


def case_a_model():
    """A model's layers, each rank with a sequence of its own: the logits of the unmodified model."""
    torch.manual_seed(0)
    sizes = SIZES | {"num_hidden_layers": 2, "head_dim": 16, "vocab_size": 50}
    config = Qwen3MoeConfig(**sizes, moe_intermediate_size=16, num_experts=6, num_experts_per_tok=2)
    model = Qwen3MoeForCausalLM(config).eval()
    input_ids = torch.randint(50, (1, 5 + dist.get_rank()))
    with torch.inference_mode():
        expected = model(input_ids).logits
        placement = place_experts(config.num_experts)
        for layer in model.model.layers:
            layer.mlp.experts = ExpertParallel.from_full(layer.mlp.experts, placement)
        torch.testing.assert_close(model(input_ids).logits, expected)
