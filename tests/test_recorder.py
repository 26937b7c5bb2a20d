"""``record_choices``: what the routers of transformers' models hand to their experts, and the files it writes."""

import pytest
import torch
from safetensors import safe_open
from torch import nn
from torch.utils.checkpoint import checkpoint

import torch_moe_ttnn
from support.checks import assert_same_bits
from torch_moe_ttnn._cli import main as command_line

pytestmark = pytest.mark.any_runtime

NUM_EXPERTS = 8


class Experts(nn.Module):
    """Takes what Hugging Face's experts take, and writes to its arguments afterwards."""

    num_experts = NUM_EXPERTS

    def forward(self, hidden_states, top_k_index, top_k_weights):
        outputs = hidden_states * top_k_weights.sum(1, keepdim=True)
        top_k_index.zero_()
        return outputs


class Layer(nn.Module):
    """A layer that calls its experts by names, or in order."""

    def __init__(self, by_name):
        super().__init__()
        self.router = nn.Linear(4, NUM_EXPERTS)
        self.experts = Experts()
        self.by_name = by_name

    def forward(self, hidden):
        ids, weights = torch_moe_ttnn.select_experts(self.router(hidden), 2)
        if self.by_name:
            return self.experts(hidden, top_k_weights=weights, top_k_index=ids)
        return self.experts(hidden, ids, weights)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(Layer(True), nn.Tanh(), Layer(False))


@pytest.fixture
def batches():
    return [torch.randn(num_tokens, 4) for num_tokens in (5, 0, 3)]


def chosen(model, batch):
    """Return what the two routers choose."""
    return (
        torch_moe_ttnn.select_experts(model[0].router(batch), 2),
        torch_moe_ttnn.select_experts(model[2].router(model[:2](batch)), 2),
    )


def test_layers_and_calls(model, batches, device):
    """Several of each: in the order of the calls, as they were when the experts were called."""
    model = model.to(device)
    batches = [batch.to(device) for batch in batches]
    with torch_moe_ttnn.record_choices(model) as recorder:
        for batch in batches:
            model(batch)
    assert recorder.layers == ["0.experts", "2.experts"]
    for layer in range(2):
        calls = [chosen(model, batch)[layer] for batch in batches]
        expected = [torch.cat([tensor.cpu() for tensor in tensors]) for tensors in zip(*calls, strict=True)]
        for name in (layer, layer - 2, recorder.layers[layer]):
            assert_same_bits(recorder.choices(name), [tensor.detach() for tensor in expected])
    assert recorder.choices(0).routing_weights.requires_grad is False


def test_nothing_is_recorded_outside(model, batches):
    """Nor is anything kept in the model, also where it raises."""
    with torch_moe_ttnn.record_choices(model) as recorder:
        model(batches[0])
    model(batches[0])
    assert len(recorder.choices(0).selected_experts) == 5
    with pytest.raises(ValueError, match="on purpose"), torch_moe_ttnn.record_choices(model):
        raise ValueError("on purpose")
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_gradient_checkpoints(model, batches):
    """What is computed again in the backward pass is recorded once."""
    batch = batches[0].requires_grad_()
    with torch_moe_ttnn.record_choices(model) as recorder:
        checkpoint(model[0], batch, use_reentrant=False).sum().backward()
    assert batch.grad is not None
    assert_same_bits(recorder.choices(0), [tensor.detach() for tensor in chosen(model, batch)[0]])


def test_a_file_for_the_command_line(model, batches, tmp_path, capsys):
    path = tmp_path / "choices.safetensors"
    with torch_moe_ttnn.record_choices(model) as recorder:
        model(batches[0])
    recorder.save(path, layer="2.experts")
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"layer": "2.experts", "num_experts": "8"}
        read = [file.get_tensor(name) for name in ("selected_experts", "routing_weights")]
    assert_same_bits(read, recorder.choices(1))
    assert command_line.main(["--input", str(path), "--device", "cpu"]) == 0
    assert "8 experts, choices (5, 2)" in capsys.readouterr().out


def test_a_module_that_does_not_know_its_number_of_experts(model, batches, tmp_path, monkeypatch):
    """Then --input asks for it."""
    monkeypatch.delattr(Experts, "num_experts")
    path = tmp_path / "choices.safetensors"
    with torch_moe_ttnn.record_choices(model) as recorder:
        model(batches[0])
    recorder.save(path)
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"layer": "0.experts"}


def test_experts_divided_among_ranks(model, batches, tmp_path):
    """As transformers does it: the module has the number of this rank's experts, and the choices are of all."""
    model[0].experts.num_experts, model[0].experts._is_expert_parallel = 4, True
    with torch_moe_ttnn.record_choices(model) as recorder:
        model(batches[0])
    for layer, metadata in enumerate(({"layer": "0.experts"}, {"layer": "2.experts", "num_experts": "8"})):
        recorder.save(tmp_path / "choices.safetensors", layer)
        with safe_open(tmp_path / "choices.safetensors", framework="pt") as file:
            assert file.metadata() == metadata


def test_experts_in_experts(batches):
    """As in an ``ExpertParallel``: the outer ones have the router's choices."""

    class Outer(Experts):
        def __init__(self):
            super().__init__()
            self.experts = Experts()

        def forward(self, hidden_states, top_k_index, top_k_weights):
            return self.experts(hidden_states, top_k_index[:, :1].clone(), top_k_weights[:, :1])

    layer = Layer(True)
    layer.experts = Outer()
    for model, name in ((layer, "experts"), (layer.experts, "")):
        with torch_moe_ttnn.record_choices(model) as recorder:
            layer(batches[0])
        assert recorder.layers == [name]
        assert recorder.choices(0).selected_experts.shape == (5, 2)


def test_errors(model, batches):
    with pytest.raises(RuntimeError, match=r"forward takes \(hidden_states, top_k_index, .* got Linear without one"):
        torch_moe_ttnn.record_choices(nn.Linear(1, 1)).__enter__()
    with torch_moe_ttnn.record_choices(model) as recorder:
        model[0](batches[0])
    with pytest.raises(RuntimeError, match=r"expected a call of 2\.experts to record, got none: run the model"):
        recorder.choices(1)
    for layer in (2, -3, "experts"):
        with pytest.raises(RuntimeError, match=f"layer from 0 to 1 or one of 0.experts, 2.experts; got {layer!r}"):
            recorder.choices(layer)


SIZES = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 8,
    "moe_intermediate_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "num_experts_per_tok": 2,
    "num_experts": NUM_EXPERTS,
    "pad_token_id": 0,
}


@pytest.mark.parametrize("implementation", ["eager", "grouped_mm"])
@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("Qwen3Moe", {}),
        ("Mixtral", {"num_local_experts": NUM_EXPERTS}),
        ("GptOss", {"num_local_experts": NUM_EXPERTS}),  # its experts' parameters have names of their own
        ("Glm4Moe", {"n_routed_experts": NUM_EXPERTS, "first_k_dense_replace": 1}),
    ],
)
def test_transformers(family, options, implementation):
    """The experts are called with what the routers return, and every layer that has experts is found."""
    transformers = pytest.importorskip("transformers", reason="it comes with the test extra")
    config = getattr(transformers, f"{family}Config")(**SIZES | options)
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    model.set_experts_implementation(implementation)
    routers = [module for name, module in model.named_modules() if "Router" in type(module).__name__]
    returned = []
    hooks = [router.register_forward_hook(lambda _, inputs, outputs: returned.append(outputs)) for router in routers]
    with torch.inference_mode(), torch_moe_ttnn.record_choices(model) as recorder:
        model(torch.randint(1, 64, (2, 7)))
    for hook in hooks:
        hook.remove()
    assert len(recorder.layers) == len(returned) == (1 if family == "Glm4Moe" else 2)
    for layer, (_logits, weights, ids) in enumerate(returned):
        assert_same_bits(recorder.choices(layer), (ids, weights))
