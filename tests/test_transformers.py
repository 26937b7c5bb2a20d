"""``torch_moe_ttnn.transformers``: Hugging Face's mixtures of experts, computed by what it registers."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import torch_moe_ttnn
from support.checks import assert_same_bits
from support.processes import error, output

pytest.importorskip("transformers", reason="it comes with the test extra")
from transformers.activations import ACT2FN
from transformers.integrations.moe import use_experts_implementation

import torch_moe_ttnn.transformers
from support.huggingface import FAMILIES, make_model
from torch_moe_ttnn.transformers import IMPLEMENTATION, _experts, experts_forward

pytestmark = pytest.mark.any_runtime


@pytest.fixture(scope="module", autouse=True)
def registered():
    torch_moe_ttnn.transformers.register()


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, device):
    return make_model(request.param).to(device)


@pytest.fixture(scope="module")
def input_ids(device):
    return torch.randint(1, 128, (2, 20), generator=torch.Generator().manual_seed(1)).to(device)


def logits(model, input_ids, implementation):
    model.set_experts_implementation(implementation)
    with torch.inference_mode():
        return model(input_ids).logits


def test_logits(model, input_ids, monkeypatch):
    """The unmodified model's, whichever of transformers' computations it takes."""
    calls = []
    monkeypatch.setattr(_experts, "prepare_grouping", lambda *args: calls.append(1) or prepare_grouping(*args))
    prepare_grouping = torch_moe_ttnn.prepare_grouping
    actual = logits(model, input_ids, IMPLEMENTATION)
    assert calls
    for implementation in ("eager", "grouped_mm"):
        # Another order of a float32 sum.
        torch.testing.assert_close(actual, logits(model, input_ids, implementation), rtol=1e-5, atol=1e-5)


def test_bfloat16(model, input_ids):
    """Closer to the model in float64 than transformers' own computation is, or as close.

    Another order of a sum changes what the next layer's router picks: logits by themselves say little.
    """
    experts = next(module for module in model.modules() if hasattr(module, "is_transposed"))
    hidden = torch.randn(20, 32, generator=torch.Generator().manual_seed(2))
    weights, ids = torch.rand(20, 8, generator=torch.Generator().manual_seed(3)).topk(2)

    def outputs(implementation, dtype):
        layer = copy.deepcopy(experts).to(dtype).to("cpu")
        layer.config._experts_implementation = implementation
        with torch.inference_mode():
            return layer(hidden.to(dtype), ids, weights.to(dtype)).double()

    exact = outputs("eager", torch.float64)
    torch.testing.assert_close(outputs(IMPLEMENTATION, torch.float64), exact)
    actual, theirs = ((outputs(each, torch.bfloat16) - exact).abs().mean() for each in (IMPLEMENTATION, "grouped_mm"))
    assert actual <= 1.05 * theirs


def gradients(model, input_ids, implementation):
    model.set_experts_implementation(implementation)
    model.zero_grad()
    loss = model(input_ids, labels=input_ids).loss
    loss.backward()
    return loss.detach(), {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


def test_training(model, input_ids):
    actual, expected = (gradients(model, input_ids, each) for each in (IMPLEMENTATION, "eager"))
    assert any("experts" in name for name in expected[1])
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_generate(model, input_ids):
    """Token by token with a cache, rows of padding in the prompt."""
    mask = torch.ones_like(input_ids)
    mask[0, :7] = 0

    def generated(implementation):
        model.set_experts_implementation(implementation)
        return model.generate(input_ids, attention_mask=mask, max_new_tokens=4, do_sample=False).tolist()

    assert generated(IMPLEMENTATION) == generated("eager")


def test_compiled(model, device, input_ids, backend):
    """A sparse block of any number of tokens is one graph, router and experts."""
    torch.compiler.reset()
    compiled = copy.deepcopy(model)
    blocks = [layer.mlp for layer in compiled.model.layers if hasattr(layer.mlp, "experts")]
    assert blocks
    for block in blocks:
        block.compile(fullgraph=True, dynamic=True, backend=backend)
    for inputs in (input_ids, input_ids[:, :7]):
        actual = logits(compiled, inputs, IMPLEMENTATION)
        torch.testing.assert_close(actual, logits(model, inputs, "eager"), rtol=1e-5, atol=1e-5)


def test_autocast(model, device, input_ids):
    """The experts run in the lower precision, as transformers' own do."""
    with torch.autocast(device.type, dtype=torch.bfloat16):
        actual, expected = (logits(model, input_ids, each) for each in (IMPLEMENTATION, "eager"))
    assert actual.dtype == expected.dtype
    torch.testing.assert_close(actual, expected, rtol=0, atol=3e-2)


def make_experts(**options):
    """Return eight experts of every kind that the interface knows, none of which a family above may have."""
    has_gate, is_transposed = options.get("has_gate", True), options.get("is_transposed", False)

    @use_experts_implementation(**options)
    class Experts(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.num_experts = 8
            self.act_fn = nn.GELU()
            generator = torch.Generator().manual_seed(0)

            def parameter(outputs, inputs):
                values = torch.randn(8, outputs, inputs, generator=generator) / inputs**0.5
                return nn.Parameter(values.mT.contiguous() if is_transposed else values)

            def bias(outputs):
                return nn.Parameter(torch.randn(8, outputs, generator=generator))

            up, width = ("gate_up_proj", 24) if has_gate else ("up_proj", 12)
            setattr(self, up, parameter(width, 16))
            self.down_proj = parameter(16, 12)
            if options.get("has_bias"):
                setattr(self, f"{up}_bias", bias(width))
                self.down_proj_bias = bias(16)
            if options.get("has_post_expert_norm"):
                self.post_expert_norm = nn.RMSNorm(16)

        def forward(self, *_):
            raise AssertionError("transformers' own computation")

    return Experts(SimpleNamespace(_experts_implementation=IMPLEMENTATION))


KINDS = [
    {},
    {"has_gate": False},
    {"has_bias": True},
    {"is_transposed": True},
    {"has_post_expert_norm": True},
    {"has_gate": False, "has_bias": True, "is_transposed": True, "has_post_expert_norm": True},
]


def routed(num_tokens, top_k, num_experts=8):
    generator = torch.Generator().manual_seed(num_tokens)
    hidden = torch.randn(num_tokens, 16, generator=generator)
    weights, ids = torch.rand(num_tokens, num_experts, generator=generator).topk(top_k)
    return hidden, ids, weights


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("num_tokens", [0, 1, 33])
def test_every_kind_of_experts(device, num_tokens, kind):
    experts = make_experts(**kind).to(device)
    arguments = [tensor.to(device) for tensor in routed(num_tokens, 2)]
    actual = experts(*arguments)
    experts.config._experts_implementation = "grouped_mm"
    torch.testing.assert_close(actual, experts(*arguments), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("ranks", [2, 8])
def test_experts_of_other_ranks(device, ranks, kind):
    """As transformers calls it where experts are split: ids of other ranks' experts lie behind those of this rank.

    With eight ranks there are fewer experts here than a token has choices.
    """
    arguments = [tensor.to(device) for tensor in routed(33, 2)]
    hidden, ids, weights = arguments
    experts = make_experts(**kind).to(device)
    expected = experts(*arguments)
    local = 8 // ranks
    parts = []
    for rank in range(ranks):
        part = make_experts(**kind).to(device)
        part.num_experts, part._is_expert_parallel = local, True
        for name, parameter in experts.named_parameters(recurse=False):
            setattr(part, name, nn.Parameter(parameter.detach()[rank * local : (rank + 1) * local]))
        is_here = ids // local == rank
        parts.append(
            part(hidden, torch.where(is_here, ids % local, local), torch.where(is_here, weights, 0.0)).detach()
        )
    torch.testing.assert_close(sum(parts), expected.detach(), rtol=1e-5, atol=1e-5)


def test_in_place(device):
    """Without a graph the gate of most models is computed in place: the same bits, and no input changes."""
    experts = make_experts().to(device)
    experts.act_fn = ACT2FN["silu"]
    arguments = [tensor.to(device) for tensor in routed(33, 2)]
    before = [tensor.clone() for tensor in arguments]
    expected = experts(*arguments).detach()
    with torch.no_grad():
        assert_same_bits((experts(*arguments),), (expected,))
    assert_same_bits(arguments, before)


def test_what_is_put_in_the_place_of_the_common_gate():
    """A hook of the activation sees it, and a gate of one module is its own, without a graph too."""
    experts = make_experts()
    experts.act_fn = ACT2FN["silu"]
    arguments = routed(33, 2)
    seen = []
    hook = experts.act_fn.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    with torch.no_grad():
        experts(*arguments)
        hook.remove()
        assert seen == [(66, 12)]
        experts._apply_gate = lambda projected: 0 * projected[:, :12]
        assert not experts(*arguments).any()


def test_sentinels_have_no_gradient(device):
    experts = make_experts(has_bias=True).to(device)
    experts._is_expert_parallel = True
    hidden, ids, weights = (tensor.to(device) for tensor in routed(5, 2))
    weights.requires_grad_()
    hidden.requires_grad_()
    ids[:2] = 8
    experts(hidden, ids, weights).sum().backward()
    for gradient in (weights.grad, hidden.grad):
        assert not gradient[:2].any()
        assert gradient[2:].all()


def test_other_dtypes():
    """Router weights in float32 beside experts in bfloat16, and the other way round."""
    hidden, ids, weights = routed(33, 2)
    experts = make_experts()
    expected = experts_forward(experts, hidden, ids, weights)
    for rows, scores, parameters in (
        (torch.bfloat16, torch.float32, torch.bfloat16),
        (torch.float32, torch.bfloat16, torch.float32),
        (torch.float32, torch.float32, torch.bfloat16),
    ):
        actual = experts_forward(experts.to(parameters), hidden.to(rows), ids, weights.to(scores))
        assert actual.dtype == rows
        torch.testing.assert_close(actual.float(), expected, rtol=0, atol=3e-2)
        experts = make_experts()


def test_id_out_of_range():
    hidden, ids, weights = routed(5, 2)
    ids[3, 1] = 8
    with pytest.raises(IndexError, match=r"in \[0, 8\) .* got 8 at selected_experts\[3, 1\]"):
        make_experts()(hidden, ids, weights)


def test_importing_the_package_imports_no_transformers():
    assert output("import sys, torch_moe_ttnn; print('transformers' in sys.modules)") == "False"


def test_without_transformers():
    code = "import sys; sys.modules['transformers'] = None; import torch_moe_ttnn.transformers"
    assert 'pip install "torch_moe_ttnn[transformers]"' in error(code)


def test_with_an_older_transformers():
    code = (
        "import transformers.integrations.moe; transformers.__version__ = '5.9.0'; import torch_moe_ttnn.transformers"
    )
    assert 'at least 5.20.2: it is 5.9.0; install it with pip install "torch_moe_ttnn[transformers]"' in error(code)
