"""The composites, which run on devices without kernels of their own: called here by their key, on the CPU."""

import re

import pytest
import torch

from support.checks import assert_same_bits
from support.choices import ID_DTYPES, WEIGHT_DTYPES
from support.operators import GROUPING, KERNELS, MAPPING, PERMUTE, ROUTING, UNPERMUTE, as_tuple
from torch_moe_ttnn.testing import make_choices

pytestmark = pytest.mark.any_runtime

KEY = torch._C.DispatchKey.CompositeExplicitAutograd


def composite(name, *arguments, **options):
    return as_tuple(getattr(torch.ops.moe, name).default._op_dk(KEY, *arguments, **options))


def name_of(operator):
    return operator.name.removeprefix("moe::")


def options_of(operator):
    local = {"local_experts": torch.tensor([7, -1, 0, 3, 0])}
    limit = {} if operator is MAPPING else {"max_tokens": 3}
    alignment = {"alignment": 16} if operator is GROUPING else {}
    return [{}, local, limit, alignment, local | limit | alignment]


@pytest.mark.parametrize("name", KERNELS)
def test_it_shadows_no_kernel(name):
    """Each device's own kernel comes first; CUDA has the composite."""
    for key in ("CPU", "Meta", "PrivateUse1"):
        assert torch._C._dispatch_has_kernel_for_dispatch_key(f"moe::{name}", key)
    # What a key runs, by the file that registered it.
    table = torch._C._dispatch_dump_table(f"moe::{name}")
    runs = dict(re.findall(r"^(\w+): .*?csrc/ops/(\w+)/", table, re.MULTILINE))
    assert {key: runs[key] for key in ("CPU", "Meta", "PrivateUse1", "CUDA", "XLA")} == {
        "CPU": "cpu",
        "Meta": "meta",
        "PrivateUse1": "tt",
        "CUDA": "composite",
        "XLA": "composite",
    }


@pytest.mark.parametrize("distribution", ["uniform", "same", "padded"])
@pytest.mark.parametrize("num_tokens", [0, 1, 33, 1000])
def test_values(operator, num_tokens, distribution):
    ids, weights = make_choices(num_tokens, 3, 8, distribution=distribution)
    for options in options_of(operator):
        outputs = composite(name_of(operator), ids, weights, 8, **options)
        assert_same_bits(outputs, operator.expected(ids, weights, 8, **options))
        assert all(output.is_contiguous() for output in outputs)


@pytest.mark.parametrize("weight_dtype", WEIGHT_DTYPES, ids=str)
@pytest.mark.parametrize("id_dtype", ID_DTYPES, ids=str)
def test_dtypes(operator, id_dtype, weight_dtype):
    choices = make_choices(45, 5, 60, distribution="padded", id_dtype=id_dtype, weight_dtype=weight_dtype)
    assert_same_bits(composite(name_of(operator), *choices, 60), operator.expected(*choices, 60))


def test_no_choices(operator):
    choices = make_choices(5, 0, 8)
    assert_same_bits(composite(name_of(operator), *choices, 8), operator.expected(*choices, 8))


def test_repeated_ids(operator):
    ids, weights = torch.tensor([[2, 2, 1], [0, 2, 2]]), torch.arange(1.0, 7.0).reshape(2, 3)
    assert_same_bits(composite(name_of(operator), ids, weights, 3), operator.expected(ids, weights, 3))


@pytest.mark.parametrize("bad", [8, -2])
def test_out_of_range(operator, bad):
    """As torch._assert_async fails."""
    ids, weights = make_choices(4, 2, 8)
    ids[1, 1] = bad
    with pytest.raises(RuntimeError, match=rf"{operator.name}: expected selected_experts in \[0, 8\)"):
        composite(name_of(operator), ids, weights, 8)
    with pytest.raises(RuntimeError, match=rf"{operator.name}: expected local_experts in \[0, 8\)"):
        composite(name_of(operator), ids % 8, weights, 8, local_experts=torch.tensor([0, bad]))


@pytest.mark.parametrize("operator", [MAPPING, ROUTING], ids=lambda operator: operator.name)
def test_derivatives_of_choices(operator):
    ids, weights = torch.randint(-1, 8, (40, 4), generator=torch.Generator().manual_seed(0)), torch.rand(40, 4)
    for options in ({}, {"local_experts": torch.tensor([7, -1, 0, 3])}):
        grad = torch.rand_like(operator(ids, weights, 8, **options)[-1])
        arguments = grad, ids, 8, options.get("local_experts")
        name = f"{name_of(operator)}_backward"
        assert_same_bits(composite(name, *arguments), as_tuple(getattr(torch.ops.moe, name)(*arguments)))


@pytest.mark.parametrize("num_tokens", [0, 1, 33])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64], ids=str)
def test_rows(dtype, num_tokens):
    ids, weights = make_choices(num_tokens, 3, 8, distribution="padded")
    _, _, tokens, _, positions = GROUPING(ids, weights, 8, alignment=4)
    hidden, outputs = torch.randn(num_tokens, 70).to(dtype), torch.randn(len(tokens), 70).to(dtype)
    assert_same_bits(composite("permute", hidden, tokens), PERMUTE(hidden, tokens))
    assert_same_bits(composite("unpermute", outputs, weights, positions), UNPERMUTE(outputs, weights, positions))
    for name, *arguments in (
        ("permute_backward", outputs, tokens, num_tokens),
        ("unpermute_backward_expert_outputs", hidden, weights, positions, len(tokens)),
        ("unpermute_backward_routing_weights", hidden, outputs, weights, positions),
    ):
        expected = as_tuple(getattr(torch.ops.moe, name)(*arguments))
        for actual, value in zip(composite(name, *arguments), expected, strict=True):
            torch.testing.assert_close(actual, value)


def test_indices_out_of_range():
    with pytest.raises(RuntimeError, match=r"moe::permute: expected grouped_tokens in \[0, 2\)"):
        composite("permute", torch.zeros(2, 3), torch.tensor([2], dtype=torch.int32))
    with pytest.raises(RuntimeError, match=r"moe::unpermute: expected positions in \[0, 2\)"):
        composite("unpermute", torch.zeros(2, 3), torch.zeros(1, 1), torch.tensor([[-2]], dtype=torch.int32))


def within(event, name):
    """Return whether an operator of this name called it."""
    parent = event.cpu_parent
    return parent is not None and (parent.name == name or within(parent, name))


def test_it_reads_nothing_on_the_host(operator):
    """What a device would have to wait for is not called."""
    ids, weights = make_choices(9, 3, 8)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        composite(name_of(operator), ids, weights, 8, local_experts=torch.tensor([1, 2]))
    reads = ("aten::item", "aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero")
    events = list(profile.events())
    assert any(event.name == "aten::_assert_async" for event in events)
    # On the CPU the assertion itself reads what it asserts.
    assert not [event.name for event in events if event.name in reads and not within(event, "aten::_assert_async")]
