"""Assertions that several test files make."""

import torch

_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor's bits as integers, on the CPU: NaN equals itself there, and -0 differs from 0."""
    return tensor.cpu().resolve_neg().view(_BITS[tensor.element_size()])


def assert_same_bits(actual, expected) -> None:
    """Assert that outputs agree in shape, dtype and every bit."""
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert (a.dtype, a.shape) == (e.dtype, e.shape)
        torch.testing.assert_close(bits(a), bits(e), rtol=0, atol=0)


def assert_matches_reference(operator, device, ids, weights, num_experts, **options) -> None:
    """Assert that the operator on the device gives the reference's bits, in new, contiguous tensors there.

    The inputs may be on the device already: their strides are kept then.
    """
    ids, weights = ids.to(device), weights.to(device)
    before = ids.clone(), weights.clone()
    local = options.get("local_experts")
    on_device = options if local is None else options | {"local_experts": local.to(device)}
    outputs = operator(ids, weights, num_experts, **on_device)
    assert_same_bits(outputs, operator.expected(*(tensor.cpu() for tensor in before), num_experts, **options))
    assert_same_bits((ids, weights), before)
    for output in outputs:
        assert output.device == ids.device
        assert output.is_contiguous()
        assert not any(torch._C._is_alias_of(output, tensor) for tensor in (ids, weights))
