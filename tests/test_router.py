"""``select_experts``: the choices and the weights of transformers' own routers, and what it refuses."""

import pytest
import torch

import torch_moe_ttnn
from support.checks import assert_same_bits

pytestmark = pytest.mark.any_runtime

NUM_TOKENS, NUM_EXPERTS, TOP_K, HIDDEN = 50, 16, 4, 24


def family(name, classes, **options):
    """Return a router of transformers in a small configuration, and its inputs."""
    transformers = pytest.importorskip("transformers", reason="it comes with the test extra")
    module = __import__(f"transformers.models.{name}.modeling_{name}", fromlist=["modeling"])
    config_class, router_class = classes
    config = getattr(transformers, config_class)(hidden_size=HIDDEN, num_experts_per_tok=TOP_K, **options)
    router = getattr(module, router_class)(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in router.state_dict().values():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) / 4)
    return router, torch.randn(NUM_TOKENS, HIDDEN, generator=generator)


DEEPSEEK = ("deepseek_v3", ("DeepseekV3Config", "DeepseekV3TopkRouter"))
GLM = ("glm4_moe", ("Glm4MoeConfig", "Glm4MoeTopkRouter"))
QWEN2 = ("qwen2_moe", ("Qwen2MoeConfig", "Qwen2MoeTopKRouter"))
QWEN3 = ("qwen3_moe", ("Qwen3MoeConfig", "Qwen3MoeTopKRouter"))
OLMOE = ("olmoe", ("OlmoeConfig", "OlmoeTopKRouter"))


class TestSoftmax:
    """The same operations in the same order, and so the same bits."""

    @pytest.mark.parametrize("model", [QWEN2, QWEN3, OLMOE], ids=lambda model: model[0])
    @pytest.mark.parametrize("normalize", [True, False])
    def test_with_and_without_normalization(self, model, normalize):
        router, hidden = family(*model, num_experts=NUM_EXPERTS, norm_topk_prob=normalize)
        logits, weights, ids = router(hidden)
        assert_same_bits(torch_moe_ttnn.select_experts(logits, TOP_K, renormalize=normalize), (ids, weights))

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
    def test_logits_of_16_bits(self, dtype):
        """Qwen3 rounds the weights to the dtype of its logits."""
        router, hidden = family(*QWEN3, num_experts=NUM_EXPERTS, norm_topk_prob=True)
        logits, weights, ids = router.to(dtype)(hidden.to(dtype))
        chosen, unrounded = torch_moe_ttnn.select_experts(logits, TOP_K)
        assert_same_bits((chosen, unrounded.to(dtype)), (ids, weights))

    def test_mixtral(self):
        router, hidden = family("mixtral", ("MixtralConfig", "MixtralTopKRouter"), num_local_experts=NUM_EXPERTS)
        logits, weights, ids = router(hidden)
        assert_same_bits(torch_moe_ttnn.select_experts(logits, TOP_K), (ids, weights))

    def test_gpt_oss(self):
        """A softmax of the chosen logits alone is the same but for rounding."""
        router, hidden = family("gpt_oss", ("GptOssConfig", "GptOssTopKRouter"), num_local_experts=NUM_EXPERTS)
        logits, expected, ids = router(hidden)
        chosen, weights = torch_moe_ttnn.select_experts(logits, TOP_K)
        assert torch.equal(chosen, ids)
        torch.testing.assert_close(weights, expected, rtol=1e-6, atol=0)


def as_map(ids, weights):
    """Return them without the order of a token's choices, which DeepSeek's router does not sort."""
    return torch_moe_ttnn.prepare_mapping(ids, weights, NUM_EXPERTS)


class TestSigmoid:
    """A sum of the weights in another order may differ in the last bit."""

    @pytest.mark.parametrize("model", [DEEPSEEK, GLM], ids=lambda model: model[0])
    @pytest.mark.parametrize(("num_groups", "top_groups"), [(1, 1), (4, 2), (8, 3), (4, 4)])
    @pytest.mark.parametrize("normalize", [True, False])
    def test_bias_groups_and_scale(self, model, num_groups, top_groups, normalize):
        router, hidden = family(
            *model,
            n_routed_experts=NUM_EXPERTS,
            n_group=num_groups,
            topk_group=top_groups,
            norm_topk_prob=normalize,
            routed_scaling_factor=2.5,
        )
        logits, weights, ids = router(hidden)
        actual = torch_moe_ttnn.select_experts(
            logits,
            TOP_K,
            scoring="sigmoid",
            bias=router.e_score_correction_bias,
            num_groups=num_groups,
            top_groups=top_groups,
            renormalize=normalize,
            scale=2.5,
        )
        torch.testing.assert_close(as_map(*actual), as_map(ids, weights), rtol=1e-6, atol=0)

    def test_llama4(self):
        config = {"num_local_experts": NUM_EXPERTS, "router_jitter_noise": 0.0}
        router, hidden = family("llama4", ("Llama4TextConfig", "Llama4Router"), **config)
        scores, logits = router(hidden)
        actual = torch_moe_ttnn.select_experts(logits, TOP_K, scoring="sigmoid", renormalize=False)
        assert torch.equal(as_map(*actual), scores)


class TestGroups:
    """What no model of transformers tells."""

    def test_of_one_expert_each(self):
        """A group's two best scores are one; the best groups are the best experts."""
        logits = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))
        grouped = torch_moe_ttnn.select_experts(logits, 2, num_groups=6, top_groups=3)
        assert_same_bits(grouped, torch_moe_ttnn.select_experts(logits, 2))

    def test_ranked_by_the_two_best(self):
        """Not by the best one, nor by all."""
        logits = torch.tensor([[9.0, -9, -9, -9, 2, 2, -9, -9, 1, 1, 1, 1]]) / 9
        ids, _ = torch_moe_ttnn.select_experts(logits, 1, scoring="sigmoid", num_groups=3, top_groups=1)
        best = logits.sigmoid().view(3, 4).topk(2).values.sum(-1)
        assert best.argmax() == 1
        assert ids.item() in (4, 5)

    def test_bias_steers_the_choice_alone(self):
        logits = torch.zeros(1, 4)
        ids, weights = torch_moe_ttnn.select_experts(logits, 2, bias=torch.tensor([0.0, 5.0, 0.0, 7.0]))
        assert ids.tolist() == [[3, 1]]
        assert weights.tolist() == [[0.5, 0.5]]


class TestPadding:
    def test_goes_nowhere(self):
        logits = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
        padding = torch.tensor([False, True, False, False, True, True])
        ids, weights = torch_moe_ttnn.select_experts(logits, 3, padding_mask=padding)
        expected_ids, expected = torch_moe_ttnn.select_experts(logits, 3)
        assert_same_bits((ids[~padding], weights[~padding]), (expected_ids[~padding], expected[~padding]))
        assert (ids[padding] == -1).all()
        assert (weights[padding] == 0).all()
        assert torch_moe_ttnn.prepare_grouping(ids, weights, 8).group_sizes.sum() == 3 * 3

    def test_that_is_no_number(self):
        logits = torch.full((2, 8), float("nan"))
        logits[0] = torch.arange(8)
        logits.requires_grad_()
        ids, weights = torch_moe_ttnn.select_experts(logits, 3, padding_mask=torch.tensor([False, True]))
        (gradient,) = torch.autograd.grad(weights[:, 0].sum(), logits)
        assert ids.tolist() == [[7, 6, 5], [-1] * 3]
        assert not weights.isnan().any()
        assert gradient[0].abs().sum() > 0
        assert (gradient[1] == 0).all()


@pytest.mark.parametrize("shape", [(0, 8, 2), (3, 8, 0), (3, 1, 1)])
def test_empty_and_single(shape, device):
    num_tokens, num_experts, top_k = shape
    ids, weights = torch_moe_ttnn.select_experts(torch.zeros(num_tokens, num_experts, device=device), top_k)
    assert ids.shape == weights.shape == (num_tokens, top_k)
    assert (ids.dtype, weights.dtype) == (torch.int64, torch.float32)


def everything(logits, bias, padding):
    return torch_moe_ttnn.select_experts(
        logits,
        4,
        scoring="sigmoid",
        bias=bias,
        num_groups=4,
        top_groups=2,
        scale=2.5,
        padding_mask=padding,
    )


def inputs(num_tokens=20):
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(num_tokens, NUM_EXPERTS, generator=generator),
        torch.randn(NUM_EXPERTS, generator=generator),
        torch.arange(num_tokens) % 5 == 4,
    )


def test_devices(device):
    """A sigmoid may differ by its last bit from one device to another."""
    ids, weights = everything(*(tensor.to(device) for tensor in inputs()))
    expected_ids, expected = everything(*inputs())
    assert ids.device.type == weights.device.type == device.type
    assert torch.equal(ids.cpu(), expected_ids)
    torch.testing.assert_close(weights.cpu(), expected, rtol=1e-6, atol=0)


def test_meta():
    ids, weights = everything(*(tensor.to("meta") for tensor in inputs()))
    assert (ids.shape, ids.dtype, ids.device.type) == ((20, 4), torch.int64, "meta")
    assert (weights.shape, weights.dtype) == ((20, 4), torch.float32)


def test_compiled(device, backend):
    """One graph for any number of tokens."""
    compiled = torch.compile(everything, fullgraph=True, dynamic=True, backend=backend)
    for num_tokens in (20, 33):
        arguments = [tensor.to(device) for tensor in inputs(num_tokens)]
        ids, weights = compiled(*arguments)
        expected_ids, expected = everything(*arguments)
        assert torch.equal(ids.cpu(), expected_ids.cpu())
        torch.testing.assert_close(weights.cpu(), expected.cpu(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("scoring", ["softmax", "sigmoid"])
def test_gradients(device, scoring):
    """Those of the formula, written out for the experts that were chosen."""
    logits, bias, _ = inputs()
    logits = logits.to(device).requires_grad_()
    factors = torch.arange(80.0).view(20, 4)
    ids, weights = torch_moe_ttnn.select_experts(logits, 4, scoring=scoring, bias=bias.to(device), scale=3)
    (gradient,) = torch.autograd.grad((weights * factors.to(device)).sum(), logits)

    exact = logits.detach().cpu().double().requires_grad_()
    scores = (exact.exp() if scoring == "softmax" else 1 / (1 + (-exact).exp())).gather(1, ids.cpu())
    formula = 3 * scores / scores.sum(1, keepdim=True)
    (expected,) = torch.autograd.grad((formula * factors).sum(), exact)
    torch.testing.assert_close(gradient.cpu().double(), expected, rtol=1e-4, atol=1e-4)


LOGITS = torch.zeros(5, 8)


@pytest.mark.parametrize(
    ("logits", "top_k", "options", "message"),
    [
        (LOGITS[0], 2, {}, r"router_logits of shape \(T, E\), got shape \(8,\)"),
        (LOGITS.int(), 2, {}, "router_logits of a floating dtype, got torch.int32"),
        (LOGITS, 9, {}, "top_k from 0 to the 8 experts of 1 of 1 groups, got 9"),
        (LOGITS, -1, {}, "top_k from 0 to the 8 experts"),
        (LOGITS, 5, {"num_groups": 4, "top_groups": 2}, "top_k from 0 to the 4 experts of 2 of 4 groups, got 5"),
        (LOGITS, 2, {"scoring": "relu"}, 'scoring "softmax" or "sigmoid", got \'relu\''),
        (LOGITS, 2, {"num_groups": 3}, "num_groups that divides the 8 experts of router_logits, got 3"),
        (LOGITS, 2, {"num_groups": 0}, "num_groups that divides"),
        (LOGITS, 2, {"num_groups": 2, "top_groups": 3}, "top_groups from 1 to num_groups, 2, got 3"),
        (LOGITS, 2, {"bias": torch.zeros(5)}, r"bias of shape \(8,\), got shape \(5,\)"),
        (LOGITS, 2, {"bias": torch.zeros(8, dtype=torch.int64)}, "bias of a floating dtype, got torch.int64"),
        (LOGITS, 2, {"bias": torch.zeros(8, device="meta")}, "bias on cpu, where router_logits are, got meta: move it"),
        (LOGITS, 2, {"padding_mask": torch.zeros(8, dtype=torch.bool)}, r"padding_mask of shape \(5,\)"),
        (LOGITS, 2, {"padding_mask": torch.zeros(5)}, "padding_mask of torch.bool, .* `attention_mask == 0`"),
    ],
)
def test_errors(logits, top_k, options, message):
    with pytest.raises(RuntimeError, match=rf"^torch_moe_ttnn.select_experts: expected {message}"):
        torch_moe_ttnn.select_experts(logits, top_k, **options)
