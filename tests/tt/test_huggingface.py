"""Hugging Face's mixtures of experts, unmodified: on tt they compute what they do on the CPU."""

import copy

import pytest
import torch

pytest.importorskip("transformers", reason="it comes with the test extra")
from support.huggingface import FAMILIES, make_model

pytestmark = pytest.mark.any_runtime

# How transformers computes the experts; the first is what it takes by itself.
IMPLEMENTATIONS = ["grouped_mm", "batched_mm", "eager"]


@pytest.fixture(scope="module", params=FAMILIES)
def models(request):
    """One model, on the CPU and on tt."""
    model = make_model(request.param)
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
