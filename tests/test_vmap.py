"""``torch.vmap`` over the operators and their derivatives: what a loop over the elements gives, by own rules."""

import pytest
import torch

import torch_moe_ttnn
from support.checks import assert_same_bits
from support.operators import GROUPING, MAPPING, PERMUTE, ROUTING, UNPERMUTE, as_tuple
from torch_moe_ttnn.testing import make_choices

pytestmark = pytest.mark.any_runtime

E, SIZE = 8, 5
ELEMENTS = 4


@pytest.fixture(autouse=True)
def not_the_slow_path(capfd):
    yield
    # PyTorch writes it past Python's warnings.
    assert "performance drop" not in capfd.readouterr().err


def looped(function, in_dims, *arguments):
    """Call the function for each element and stack what it returns."""
    outputs = []
    for i in range(ELEMENTS):
        element = (a if dim is None else a.select(dim, i) for a, dim in zip(arguments, in_dims, strict=True))
        outputs.append(as_tuple(function(*element)))
    return tuple(torch.stack(each) for each in zip(*outputs, strict=True))


def assert_like_a_loop(function, in_dims, *arguments):
    actual = torch.vmap(function, in_dims)(*arguments)
    assert_same_bits(as_tuple(actual), looped(function, in_dims, *arguments))


def batched(dim, tensors):
    return tensors[0] if dim is None else torch.stack(tensors, dim)


def choices(id_dim=0, weight_dim=0, **options):
    each = [make_choices(9, 3, E, seed=seed, distribution="padded", **options) for seed in range(ELEMENTS)]
    return batched(id_dim, [ids for ids, _ in each]), batched(weight_dim, [weights for _, weights in each])


def options_of(operator):
    limit = {} if operator is MAPPING else {"max_tokens": 3}
    return limit | ({"alignment": 4} if operator is GROUPING else {})


@pytest.mark.parametrize("id_dtype", [torch.int64, torch.uint32], ids=str)
@pytest.mark.parametrize("in_dims", [(0, 0), (2, 1), (None, 0), (1, None)], ids=str)
def test_choices(operator, in_dims, id_dtype):
    arguments = choices(*in_dims, id_dtype=id_dtype)
    assert_like_a_loop(lambda ids, weights: operator.overload(ids, weights, E), in_dims, *arguments)
    options = options_of(operator) | {"local_experts": torch.tensor([7, -1, 0, 3])}
    assert_like_a_loop(lambda ids, weights: operator.overload(ids, weights, E, **options), in_dims, *arguments)


def test_devices(operator, device):
    arguments = choices()

    def function(ids, weights):
        return operator.overload(ids, weights, E)

    actual = as_tuple(torch.vmap(function)(*(tensor.to(device) for tensor in arguments)))
    assert all(output.device.type == device.type for output in actual)
    assert_same_bits(actual, looped(function, (0, 0), *arguments))


@pytest.mark.parametrize("in_dims", [(0, 0, 0), (None, None, 1), (None, 2, 0)], ids=str)
def test_local_experts(operator, in_dims):
    """A device for each element, say."""
    local = batched(in_dims[2], [torch.tensor([i, 7 - i, -1]) for i in range(ELEMENTS)])

    def function(ids, weights, local):
        return operator.overload(ids, weights, E, local_experts=local, **options_of(operator))

    assert_like_a_loop(function, in_dims, *choices(*in_dims[:2]), local)


def rows(num_rows, dim, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return batched(dim, [torch.randn(num_rows, SIZE, generator=generator) for _ in range(ELEMENTS)])


def groupings(dim):
    """Return grouped_tokens, positions and weights, for each element or for all."""
    each = [make_choices(9, 3, E, seed=seed, weight_dtype=torch.float32) for seed in range(ELEMENTS)]
    grouped = [GROUPING(*choices, E, alignment=4) for choices in each]
    tokens, positions = (batched(dim, [grouping[i] for grouping in grouped]) for i in (2, 4))
    return tokens, positions, batched(dim, [weights for _, weights in each])


ROWS_DIMS = [(0, 0), (1, None), (2, None), (None, 1), (1, 1)]


@pytest.mark.parametrize("in_dims", ROWS_DIMS, ids=str)
def test_permute(in_dims):
    tokens, _, _ = groupings(in_dims[1])
    assert_like_a_loop(PERMUTE.overload, in_dims, rows(9, in_dims[0]), tokens)


@pytest.mark.parametrize("in_dims", ROWS_DIMS, ids=str)
def test_unpermute(in_dims):
    _, positions, weights = groupings(in_dims[1])
    assert_like_a_loop(
        UNPERMUTE.overload,
        (*in_dims, in_dims[1]),
        rows(groupings(None)[0].shape[0], in_dims[0]),
        weights,
        positions,
    )


def layer(hidden, weights, ids):
    """All of a layer's operators in a row."""
    _, _, tokens, grouped_weights, positions = GROUPING.overload(ids, weights, E)
    experts = torch.tanh(PERMUTE.overload(hidden, tokens)) * (1 + grouped_weights[:, None])
    listed = ROUTING.overload(ids, weights, E)[2]
    mapped = MAPPING.overload(ids, weights, E)
    return UNPERMUTE.overload(experts, weights, positions).square().sum() + (mapped**2).sum() + (listed**3).sum()


@pytest.mark.parametrize("in_dims", [(0, 0, 0), (0, None, None), (None, 1, None), (1, 0, 2)], ids=str)
def test_gradients(in_dims):
    hidden_dim, weight_dim, id_dim = in_dims
    ids, weights = choices(id_dim, weight_dim, weight_dtype=torch.float32)
    assert_like_a_loop(torch.func.grad(layer, argnums=(0, 1)), in_dims, rows(9, hidden_dim), weights, ids)


def test_gradient_of_a_batch():
    """vmap within autograd."""
    ids, weights = choices(weight_dtype=torch.float32)
    hidden = rows(9, 0)

    def gradients(function):
        tensors = hidden.clone().requires_grad_(), weights.clone().requires_grad_()
        return torch.autograd.grad(function(*tensors, ids), tensors)

    actual = gradients(lambda *arguments: torch.vmap(layer)(*arguments).sum())
    expected = gradients(lambda *arguments: sum(map(layer, *arguments)))
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, e)


def test_jacobians(operator):
    """A backward pass for each element of the output, all of them at once."""
    ids, weights = make_choices(4, 2, E, weight_dtype=torch.float32)
    which = {MAPPING: 0, ROUTING: 2, GROUPING: 3}[operator]

    def function(weights):
        return operator(ids, weights, E, **options_of(operator))[which]

    jacobian = torch.func.jacrev(function)(weights)
    # Each operator copies, which is linear.
    torch.testing.assert_close(torch.tensordot(jacobian, weights, 2), function(weights))


def test_jacobians_of_rows():
    tokens, positions, weights = groupings(None)
    hidden, outputs = rows(9, None), rows(len(tokens), None)
    for function, argument in (
        (lambda hidden: PERMUTE.overload(hidden, tokens), hidden),
        (lambda outputs: UNPERMUTE.overload(outputs, weights, positions), outputs),
        (lambda weights: UNPERMUTE.overload(outputs, weights, positions), weights),
    ):
        jacobian = torch.func.jacrev(function)(argument)
        # They are linear.
        product = torch.tensordot(jacobian, argument, 2)
        torch.testing.assert_close(product, function(argument))


def test_nested(operator):
    ids, weights = (torch.stack([tensor, tensor.flip(1)]) for tensor in choices())

    def function(ids, weights):
        return operator.overload(ids, weights, E)

    actual = as_tuple(torch.vmap(torch.vmap(function))(ids, weights))
    expected = [
        torch.stack(each)
        for each in zip(*(looped(function, (0, 0), *o) for o in zip(ids, weights, strict=True)), strict=True)
    ]
    assert_same_bits(actual, expected)


def test_wrapper(operator):
    """Named outputs keep their names."""
    arguments = choices()
    outputs = torch.vmap(lambda ids, weights: operator.wrapper(ids, weights, E))(*arguments)
    assert type(outputs) is type(operator.wrapper(*make_choices(9, 3, E), E))
    assert_same_bits(as_tuple(outputs), looped(lambda ids, weights: operator(ids, weights, E), (0, 0), *arguments))


def test_no_elements(operator):
    ids, weights = (tensor[:0] for tensor in choices())
    outputs = as_tuple(torch.vmap(lambda ids, weights: operator.overload(ids, weights, E))(ids, weights))
    one = operator(*make_choices(9, 3, E), E)
    assert [(o.dtype, o.shape) for o in outputs] == [(o.dtype, (0, *o.shape)) for o in one]


def test_no_elements_of_rows():
    tokens, positions, weights = groupings(None)
    assert torch.vmap(PERMUTE.overload, (0, None))(torch.ones(0, 9, SIZE), tokens).shape == (0, len(tokens), SIZE)
    outputs = torch.ones(0, len(tokens), SIZE)
    assert torch.vmap(UNPERMUTE.overload, (0, None, None))(outputs, weights, positions).shape == (0, 9, SIZE)


def test_an_id_out_of_range(operator):
    """The error is as outside of vmap."""
    ids, weights = choices()
    ids[2, 4, 1] = E
    with pytest.raises(IndexError, match=rf"^{operator.name}: expected expert ids in \[0, {E}\).* got {E} at "):
        torch.vmap(lambda ids, weights: operator.overload(ids, weights, E))(ids, weights)


def test_a_row_out_of_range():
    """One that would be another element's row if all elements' rows were one tensor."""
    tokens, _, _ = groupings(0)
    tokens[1, 0] = 9
    with pytest.raises(IndexError, match=r"expected grouped_tokens in \[0, 9\) or -1, got 9 at grouped_tokens\[0\]"):
        torch.vmap(PERMUTE.overload)(rows(9, 0), tokens)


def test_compiled(operator, inductor):
    torch.compiler.reset()

    @torch.compile(fullgraph=True)
    def function(ids, weights):
        return torch.vmap(lambda ids, weights: operator.overload(ids, weights, E))(ids, weights)

    arguments = choices()
    expected = looped(lambda ids, weights: operator.overload(ids, weights, E), (0, 0), *arguments)
    assert_same_bits(as_tuple(function(*arguments)), expected)
    torch.compiler.reset()


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 2, 5), (3, 4, 3, 3)])
def test_elements_that_are_no_matrices_are_refused_as_without_vmap(shape):
    tokens = torch.tensor([0, 1], dtype=torch.int32)
    rows = torch.randn(shape)
    with pytest.raises(RuntimeError, match=r"moe::permute: expected hidden of shape \(T, H\)"):
        torch.vmap(lambda hidden: torch_moe_ttnn.permute(hidden, tokens))(rows)
    weights, positions = torch.ones(2, 1), torch.zeros(2, 1, dtype=torch.int32)
    with pytest.raises(RuntimeError, match=r"moe::unpermute: expected expert_outputs of shape \(N, H\)"):
        torch.vmap(lambda outputs: torch_moe_ttnn.unpermute(outputs, weights, positions))(rows)
