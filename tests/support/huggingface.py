"""Hugging Face's mixtures of experts, small and with random weights."""

import torch
import transformers

# No token ends a text, so that every one has the length asked for.
SIZES = {
    "vocab_size": 128,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 64,
    "num_experts_per_tok": 2,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}
# One layer of these has experts, the first is dense.
DEEPSEEK = {
    "moe_intermediate_size": 16,
    "n_routed_experts": 8,
    "n_group": 2,
    "topk_group": 1,
    "first_k_dense_replace": 1,
}
FAMILIES = {
    "Qwen3Moe": {"head_dim": 8, "intermediate_size": 64, "moe_intermediate_size": 16, "num_experts": 8},
    "Qwen2Moe": {
        "intermediate_size": 64,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
        "num_experts": 8,
    },
    "Mixtral": {"intermediate_size": 16, "num_local_experts": 8},
    "Olmoe": {"intermediate_size": 16, "num_experts": 8},
    "DeepseekV3": {
        **DEEPSEEK,
        "intermediate_size": 64,
        "q_lora_rank": 16,
        "kv_lora_rank": 8,
        "qk_rope_head_dim": 4,
        "qk_nope_head_dim": 4,
        "v_head_dim": 8,
    },
    "Glm4Moe": {**DEEPSEEK, "head_dim": 8, "intermediate_size": 64},
    "GptOss": {
        "head_dim": 8,
        "intermediate_size": 16,
        "num_local_experts": 8,
        "sliding_window": 8,
        "rope_parameters": {"rope_type": "default", "rope_theta": 150000.0},
    },
}


def make_model(family: str) -> torch.nn.Module:
    """Return a language model of the family, on the CPU and in float32."""
    config = getattr(transformers, f"{family}Config")(**SIZES, **FAMILIES[family])
    torch.manual_seed(0)
    return getattr(transformers, f"{family}ForCausalLM")(config).eval()
