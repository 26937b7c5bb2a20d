"""Hugging Face's mixtures of experts, unmodified: on tt they compute what they do on the CPU."""

import copy

import pytest
import torch

pytestmark = pytest.mark.any_runtime

transformers = pytest.importorskip("transformers", reason="it comes with the test extra")

# Small, and random. No token ends a text, so that every one has the length asked for.
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
# How transformers computes the experts; the first is what it takes by itself.
IMPLEMENTATIONS = ["grouped_mm", "batched_mm", "eager"]


@pytest.fixture(scope="module", params=FAMILIES)
def models(request):
    """One model, on the CPU and on tt."""
    config = getattr(transformers, f"{request.param}Config")(**SIZES, **FAMILIES[request.param])
    torch.manual_seed(0)
    model = getattr(transformers, f"{request.param}ForCausalLM")(config).eval()
    return model, copy.deepcopy(model).to("tt")


@pytest.fixture(scope="module")
def input_ids():
    return torch.randint(1, 128, (2, 20), generator=torch.Generator().manual_seed(1))


def close(actual, expected):
    assert actual.is_tt
    # Another order of a float32 sum.
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-5, atol=1e-5)


def test_it_takes_grouped_mm_by_itself(models):
    assert {model.config._experts_implementation for model in models} == {IMPLEMENTATIONS[0]}


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_logits(models, input_ids, implementation):
    on_cpu, on_tt = models
    for model in models:
        model.set_experts_implementation(implementation)
    try:
        with torch.inference_mode():
            close(on_tt(input_ids.to("tt")).logits, on_cpu(input_ids).logits)
    finally:
        for model in models:
            model.set_experts_implementation(IMPLEMENTATIONS[0])


def test_padded_inputs(models, input_ids):
    on_cpu, on_tt = models
    mask = torch.ones_like(input_ids)
    mask[0, :7] = 0
    with torch.inference_mode():
        actual = on_tt(input_ids.to("tt"), attention_mask=mask.to("tt")).logits
        expected = on_cpu(input_ids, attention_mask=mask).logits
    close(actual[1], expected[1])
    close(actual[0, 7:], expected[0, 7:])


def test_generate(models, input_ids):
    on_cpu, on_tt = models
    options = {"max_new_tokens": 4, "do_sample": False}
    actual = on_tt.generate(input_ids.to("tt"), **options)
    assert actual.is_tt
    assert actual.tolist() == on_cpu.generate(input_ids, **options).tolist()


def test_generate_samples(models, input_ids):
    _, on_tt = models
    torch.manual_seed(0)
    actual = on_tt.generate(input_ids.to("tt"), max_new_tokens=3, do_sample=True)
    assert actual.shape == (2, 23)
    assert actual[:, :20].tolist() == input_ids.tolist()


def test_gradients(models, input_ids):
    """Of the language model's loss, for every parameter."""

    def gradients(model, input_ids):
        model.zero_grad()
        loss = model(input_ids, labels=input_ids).loss
        loss.backward()
        return loss.detach().cpu(), {n: p.grad.cpu() for n, p in model.named_parameters() if p.grad is not None}

    on_cpu, on_tt = models
    actual, expected = gradients(on_tt, input_ids.to("tt")), gradients(on_cpu, input_ids)
    assert len(expected[1]) > 10
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)
