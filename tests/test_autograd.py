"""Gradients of weights, hidden states and experts' outputs: first order, in eager, compiled and functional code."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from support.operators import GROUPING, MAPPING, PERMUTE, ROUTING, UNPERMUTE, as_tuple
from torch_moe_ttnn.testing import make_choices

OPTIONS = {"plain": {}, "local": {"local_experts": torch.tensor([5, 0, 7])}}
DIFFERENTIABLE = {MAPPING: 0, ROUTING: 2, GROUPING: 3}  # the output that the weights go into


def choices(num_tokens=33, dtype=torch.float32, distribution="padded"):
    return make_choices(num_tokens, 3, 8, weight_dtype=dtype, distribution=distribution)


def expected_gradient(operator, ids, weights, coefficients, **options):
    """Return the gradient of a sum with coefficients, from outputs that name where each weight went.

    The operators move weights: with weights 1, 2, 3, ... each output element says whose it is.
    """
    index = torch.arange(1, weights.numel() + 1, dtype=torch.float32).view(weights.shape)
    moved = operator.expected(ids, index, 8, **options)[DIFFERENTIABLE[operator]].to(torch.int64)
    gradient = torch.zeros(weights.numel() + 1, dtype=weights.dtype)
    gradient[moved.flatten()] = coefficients.flatten()
    return gradient[1:].view(weights.shape)


def gradient_of(function, ids, weights, coefficients):
    weights = weights.detach().clone().requires_grad_()
    (function(ids, weights) * coefficients).sum().backward()
    return weights.grad


def differentiable(operator, **options):
    return lambda ids, weights: operator(ids, weights, 8, **options)[DIFFERENTIABLE[operator]]


def coefficients_for(operator, ids, weights, **options):
    shape = operator.expected(ids, weights, 8, **options)[DIFFERENTIABLE[operator]].shape
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(weights.dtype)


@pytest.mark.any_runtime
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize("num_tokens", [0, 1, 33, 9000])
def test_weights(operator, device, num_tokens, dtype, options):
    ids, weights = choices(num_tokens, dtype)
    coefficients = coefficients_for(operator, ids, weights, **options)
    on_device = {name: value.to(device) for name, value in options.items()}
    function = differentiable(operator, **on_device)
    actual = gradient_of(function, ids.to(device), weights.to(device), coefficients.to(device))
    torch.testing.assert_close(
        actual.cpu(), expected_gradient(operator, ids, weights, coefficients, **options), rtol=0, atol=0
    )


def test_capacity(operator):
    """What was dropped has no gradient."""
    options = {} if operator is MAPPING else {"max_tokens": 4}
    ids, weights = choices(40)
    coefficients = coefficients_for(operator, ids, weights, **options)
    actual = gradient_of(differentiable(operator, **options), ids, weights, coefficients)
    torch.testing.assert_close(actual, expected_gradient(operator, ids, weights, coefficients, **options))
    assert operator is MAPPING or (actual == 0).sum() > (ids == -1).sum()


def test_a_repeated_id(operator, device):
    """A weight that prepare_mapping overwrote has the gradient 0; the others list each."""
    ids, weights = torch.tensor([[2, 2, 1], [0, 2, 0], [4, 4, 4]]), torch.rand(3, 3)
    coefficients = coefficients_for(operator, ids, weights)
    actual = gradient_of(differentiable(operator), ids.to(device), weights.to(device), coefficients.to(device)).cpu()
    torch.testing.assert_close(actual, expected_gradient(operator, ids, weights, coefficients))
    if operator is MAPPING:
        assert actual[0, 0] == actual[1, 0] == actual[2, 0] == actual[2, 1] == 0


def rows_of(num_tokens=9, size=5, dtype=torch.float64):
    (_, _, tokens, _, positions) = GROUPING(*choices(num_tokens), 8, alignment=4)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(num_tokens, size, dtype=torch.float64, generator=generator).to(dtype)
    outputs = torch.randn(len(tokens), size, dtype=torch.float64, generator=generator).to(dtype)
    weights = torch.rand(num_tokens, 3, dtype=torch.float64, generator=generator).to(dtype)
    return hidden.requires_grad_(), tokens, outputs.requires_grad_(), weights.requires_grad_(), positions


def test_gradcheck_permute():
    hidden, tokens, _, _, _ = rows_of()
    assert torch.autograd.gradcheck(lambda hidden: PERMUTE.overload(hidden, tokens), (hidden,))


def test_gradcheck_unpermute():
    _, _, outputs, weights, positions = rows_of()
    assert torch.autograd.gradcheck(lambda o, w: UNPERMUTE.overload(o, w, positions), (outputs, weights))


def test_gradcheck_of_rows_that_several_choices_share():
    """No grouping has them, but positions of one's own may."""
    outputs = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(4, 2, dtype=torch.float64, requires_grad=True)
    positions = torch.tensor([[0, 0], [1, 0], [-1, 1], [0, -1]], dtype=torch.int32)
    assert torch.autograd.gradcheck(lambda o, w: UNPERMUTE.overload(o, w, positions), (outputs, weights))


def layer(hidden, weights, outputs_scale, ids):
    """All of a layer's operators in a row."""
    _, _, tokens, grouped_weights, positions = GROUPING.overload(ids, weights, 8)
    experts = torch.tanh(PERMUTE.overload(hidden, tokens) * outputs_scale) * (1 + grouped_weights[:, None])
    mapped = MAPPING.overload(ids, weights, 8)
    listed = ROUTING.overload(ids, weights, 8)[2]
    return UNPERMUTE.overload(experts, weights, positions).sum() + (mapped**2).sum() + (listed**3).sum()


def dense_layer(hidden, weights, outputs_scale, ids):
    """The same with PyTorch alone."""
    known = ids != -1
    experts = torch.tanh(hidden * outputs_scale)[:, None, :] * (1 + weights[:, :, None])
    weighted = torch.where(known[:, :, None], experts * weights[:, :, None], 0)
    return weighted.sum() + torch.where(known, weights**2 + weights**3, 0).sum()


@pytest.fixture
def layer_arguments(device):
    ids, weights = choices(20)
    hidden = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    tensors = hidden.to(device), weights.to(device), torch.tensor(0.7, device=device)
    return [tensor.requires_grad_() for tensor in tensors], ids.to(device)


def gradients(function, tensors, ids):
    return torch.autograd.grad(function(*tensors, ids), tensors)


@pytest.mark.any_runtime
def test_a_layer(layer_arguments):
    for actual, expected in zip(
        gradients(layer, *layer_arguments), gradients(dense_layer, *layer_arguments), strict=True
    ):
        torch.testing.assert_close(actual, expected)


@pytest.mark.any_runtime
def test_a_compiled_layer(layer_arguments, backend):
    compiled = torch.compile(layer, fullgraph=True, backend=backend)
    for actual, expected in zip(gradients(compiled, *layer_arguments), gradients(layer, *layer_arguments), strict=True):
        torch.testing.assert_close(actual, expected)


@pytest.mark.any_runtime
@pytest.mark.parametrize("use_reentrant", [False, True])
def test_a_checkpointed_layer(layer_arguments, use_reentrant):
    tensors, ids = layer_arguments

    def checkpointed(*arguments):
        return checkpoint(layer, *arguments, use_reentrant=use_reentrant)

    checkpointed(*tensors, ids).backward()
    expected = gradients(layer, tensors, ids)
    for tensor, gradient in zip(tensors, expected, strict=True):
        torch.testing.assert_close(tensor.grad, gradient)


@pytest.mark.any_runtime
def test_functional(layer_arguments):
    tensors, ids = layer_arguments
    actual = torch.func.grad(layer, argnums=(0, 1, 2))(*(tensor.detach() for tensor in tensors), ids)
    for gradient, expected in zip(actual, gradients(layer, tensors, ids), strict=True):
        torch.testing.assert_close(gradient, expected)


def test_deterministic():
    hidden, tokens, outputs, weights, positions = rows_of(500, 70, torch.bfloat16)

    def all_gradients():
        sums = UNPERMUTE.overload(outputs, weights, positions).float().square().sum()
        return torch.autograd.grad(
            sums + PERMUTE.overload(hidden, tokens).float().square().sum(), (hidden, outputs, weights)
        )

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    first = all_gradients()
    try:
        for number in (1, 2, 3, 8):
            torch.set_num_threads(number)
            assert all(torch.equal(a, b) for a, b in zip(all_gradients(), first, strict=True))
    finally:
        torch.set_num_threads(before)


def test_only_what_is_asked_for():
    """One input's gradient alone; an output that nothing came of."""
    _, _, outputs, weights, positions = rows_of()
    torch.autograd.grad(UNPERMUTE.overload(outputs.detach(), weights, positions).sum(), weights)
    torch.autograd.grad(UNPERMUTE.overload(outputs, weights.detach(), positions).sum(), outputs)
    sums = UNPERMUTE.overload(outputs, weights, positions)
    assert sums.requires_grad
    assert not any(tensor.requires_grad for tensor in (positions,))


def test_second_order_raises(device):
    ids, weights = (tensor.to(device) for tensor in choices())
    mapping = MAPPING.overload(ids, weights.requires_grad_(), 8)
    (first,) = torch.autograd.grad(mapping.square().sum(), weights, create_graph=True)
    with pytest.raises(RuntimeError, match="derivative for moe::prepare_mapping_backward is not implemented"):
        first.sum().backward()


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # by forward_ad itself
def test_forward_mode_raises(operator, device):
    ids, weights = (tensor.to(device) for tensor in choices())
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(weights, weights.clone())
        with pytest.raises(NotImplementedError, match=f"^forward-mode derivative for {operator.name}"):
            operator(ids, dual, 8)


def test_no_gradient_asked_for(operator, device):
    ids, weights = (tensor.to(device) for tensor in choices())
    assert not any(output.requires_grad for output in operator(ids, weights, 8))
    with torch.no_grad():
        assert not any(output.requires_grad for output in operator(ids, weights.requires_grad_(), 8))
    with torch.inference_mode():
        assert all(output.is_inference() for output in operator(ids, weights, 8))


def test_only_the_weights_output_requires_a_gradient(operator, device):
    ids, weights = (tensor.to(device) for tensor in choices())
    outputs = as_tuple(operator.overload(ids, weights.requires_grad_(), 8))
    assert [output.requires_grad for output in outputs] == [i == DIFFERENTIABLE[operator] for i in range(len(outputs))]
