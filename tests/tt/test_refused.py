"""Sparse and quantized tensors, which tt does not have: one short sentence, whichever way leads to them."""

import pytest
import torch
from torch import nn

pytestmark = [
    pytest.mark.any_runtime,
    pytest.mark.filterwarnings(r"ignore:Sparse \w+ tensor support is in beta state:UserWarning"),
]

# A place in the table of PyTorch's CSR, CSC, BSR and BSC tensors with one element.
COMPRESSED = ([0, 1], [0])


def ones(*shape, **options):
    return torch.ones(*shape, device="tt", **options)


def indices():
    return torch.zeros(1, 1, dtype=torch.int64, device="tt")


def embedding_gradient(function, ids):
    weight = ones(3, 2, requires_grad=True)
    function(ids.to("tt"), weight, sparse=True).sum().backward()


SPARSE = {
    "sparse_coo_tensor of lists": lambda: torch.sparse_coo_tensor([[0]], [1.0], (2,), device="tt"),
    "sparse_coo_tensor of tensors": lambda: torch.sparse_coo_tensor(indices(), ones(1)),
    "sparse_coo_tensor of a size": lambda: torch.sparse_coo_tensor((2, 2), device="tt"),
    "sparse_csr_tensor": lambda: torch.sparse_csr_tensor(*COMPRESSED, [1.0], device="tt"),
    "sparse_csr_tensor with a size": lambda: torch.sparse_csr_tensor(*COMPRESSED, [1.0], (1, 1), device="tt"),
    "sparse_csc_tensor": lambda: torch.sparse_csc_tensor(*COMPRESSED, [1.0], device="tt"),
    "sparse_bsr_tensor": lambda: torch.sparse_bsr_tensor(*COMPRESSED, [[[1.0]]], device="tt"),
    "sparse_bsc_tensor": lambda: torch.sparse_bsc_tensor(*COMPRESSED, [[[1.0]]], device="tt"),
    "sparse_compressed_tensor": lambda: torch.sparse_compressed_tensor(
        *COMPRESSED, [1.0], (1, 1), layout=torch.sparse_csr, device="tt"
    ),
    "to_sparse": lambda: ones(2).to_sparse(),
    "to_sparse(1)": lambda: ones(2, 2).to_sparse(1),
    "to_sparse(layout=)": lambda: ones(2, 2).to_sparse(layout=torch.sparse_csr),
    "to_sparse_coo": lambda: ones(2, 2).to_sparse_coo(),
    "to_sparse_csr": lambda: ones(2, 2).to_sparse_csr(),
    "to_sparse_csc": lambda: ones(2, 2).to_sparse_csc(),
    "to_sparse_bsr": lambda: ones(2, 2).to_sparse_bsr((1, 1)),
    "to_sparse_bsc": lambda: ones(2, 2).to_sparse_bsc((1, 1)),
    "COO from the CPU": lambda: torch.ones(2).to_sparse().to("tt"),
    "CSR from the CPU": lambda: torch.ones(2, 2).to_sparse_csr().to("tt"),
    "CSC from the CPU": lambda: torch.ones(2, 2).to_sparse_csc().to("tt"),
    "BSR from the CPU": lambda: torch.ones(2, 2).to_sparse_bsr((1, 1)).to("tt"),
    "empty COO": lambda: torch.empty(2, layout=torch.sparse_coo, device="tt"),
    "empty CSR": lambda: torch.empty(2, 2, layout=torch.sparse_csr, device="tt"),
    "zeros COO": lambda: torch.zeros(2, layout=torch.sparse_coo, device="tt"),
    "zeros CSR": lambda: torch.zeros(2, 2, layout=torch.sparse_csr, device="tt"),
    "empty_like COO": lambda: torch.empty_like(torch.ones(2).to_sparse(), device="tt"),
    "spdiags": lambda: torch.sparse.spdiags(ones(2, 2), torch.tensor([0, 1], device="tt"), (2, 2)),
    "a product with one of the CPU": lambda: torch.ones(2, 2).to_sparse() @ ones(2, 2),
    "gradient of an embedding": lambda: embedding_gradient(nn.functional.embedding, torch.tensor([0, 1])),
    "gradient of a bag": lambda: embedding_gradient(nn.functional.embedding_bag, torch.tensor([[0, 1]])),
    "gradient of gather": lambda: (
        ones(3, 2, requires_grad=True).gather(0, indices(), sparse_grad=True).sum().backward()
    ),
}
QUANTIZED = {
    "quantize_per_tensor": lambda: torch.quantize_per_tensor(ones(2), 0.1, 0, torch.qint8),
    "quantize_per_tensor of tensors": lambda: torch.quantize_per_tensor(
        ones(2), ones(()), torch.zeros((), dtype=torch.int64, device="tt"), torch.quint8
    ),
    "quantize_per_tensor_dynamic": lambda: torch.quantize_per_tensor_dynamic(ones(2), torch.qint8, False),
    "quantize_per_channel": lambda: torch.quantize_per_channel(
        ones(2, 2), ones(2), torch.zeros(2, device="tt"), 0, torch.qint8
    ),
    "_make_per_tensor_quantized_tensor": lambda: torch._make_per_tensor_quantized_tensor(
        ones(2, dtype=torch.int8), 0.1, 0
    ),
    "_empty_affine_quantized": lambda: torch._empty_affine_quantized(
        (2,), scale=0.1, zero_point=0, dtype=torch.qint8, device="tt"
    ),
    "_empty_per_channel_affine_quantized": lambda: torch._empty_per_channel_affine_quantized(
        (2,), scales=ones(2), zero_points=ones(2), axis=0, dtype=torch.qint8, device="tt"
    ),
    "empty": lambda: torch.empty(2, dtype=torch.quint8, device="tt"),
    "from the CPU": lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8).to("tt"),
    "empty_like": lambda: torch.empty_like(torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), device="tt"),
}


def refusal(make):
    with pytest.raises(NotImplementedError) as error:
        make()
    message = str(error.value)
    assert len(message) < 250
    return message.partition(": ")[2]


@pytest.mark.parametrize("make", SPARSE.values(), ids=SPARSE.keys())
def test_sparse(make):
    assert refusal(make) == (
        "expected torch.strided tensors on tt, which has no sparse ones. Keep it on the CPU, or call to_dense() first"
    )


@pytest.mark.parametrize("make", QUANTIZED.values(), ids=QUANTIZED.keys())
def test_quantized(make):
    assert refusal(make) == (
        "expected tensors on tt that are not quantized, which it does not have. Keep it on the CPU, or call "
        "dequantize() first"
    )


def test_by_the_default_device():
    with torch.device("tt"):
        assert "no sparse ones" in refusal(lambda: torch.sparse_csr_tensor(*COMPRESSED, [1.0]))
        assert "no sparse ones" in refusal(lambda: torch.sparse_coo_tensor([[0]], [1.0], (2,)))


def test_what_was_refused_can_be_done():
    """What the errors say to do."""
    sparse = torch.eye(2).to_sparse_csr()
    assert sparse.to_dense().to("tt").tolist() == [[1, 0], [0, 1]]
    quantized = torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8)
    assert quantized.dequantize().to("tt").tolist() == [1, 1]


def test_the_cpu_keeps_its_own():
    """tt's refusals are at tt's dispatch keys alone."""
    for tensor in (torch.eye(2).to_sparse(), torch.eye(2).to_sparse_csr()):
        assert torch.equal(tensor.to(torch.float64).to_dense(), torch.eye(2, dtype=torch.float64))
    assert torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8).dequantize().tolist() == [1, 1]
