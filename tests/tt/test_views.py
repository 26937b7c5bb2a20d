"""Views, sizes and storages: arithmetic on one run of bytes."""

import concurrent.futures

import pytest
import torch

# A view of a tensor of shape (4, 6), and the operator that makes it.
VIEWS = {
    "as_strided": lambda t: t.as_strided((2, 3), (7, 2), 1),
    "view": lambda t: t.view(3, 8),
    "reshape": lambda t: t.t().reshape(2, 3, 4),
    "reshape as a view": lambda t: t.reshape(2, 2, 6),
    "unfold": lambda t: t.unfold(1, 3, 2),
    "view of another dtype": lambda t: t.view(torch.int16),
    "transpose": lambda t: t.t(),
    "permute": lambda t: t[None].permute(2, 0, 1),
    "select": lambda t: t[2],
    "slice": lambda t: t[1:, ::2],
    "diagonal": lambda t: t.diagonal(),
    "expand": lambda t: t[:, :1].expand(4, 5),
    "squeeze": lambda t: t[:1].squeeze(),
    "unsqueeze": lambda t: t.unsqueeze(1),
    "split": lambda t: t.split(4, 1)[1],
    "chunk": lambda t: t.chunk(2)[1],
    "unbind": lambda t: t.unbind(1)[3],
    "detach": lambda t: t.detach(),
    "swapdims": lambda t: t.swapdims(0, 1)[2:],
    "movedim": lambda t: t.movedim(0, 1),
    "flatten": lambda t: t.flatten(),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_views(view):
    expected = torch.arange(24.0).reshape(4, 6)
    tensor = expected.to("tt")
    torch.tt.set_fallback_mode("error")
    actual = view(tensor)
    assert (actual.shape, actual.stride(), actual.storage_offset()) == (
        view(expected).shape,
        view(expected).stride(),
        view(expected).storage_offset(),
    )
    torch.testing.assert_close(actual.cpu(), view(expected), rtol=0, atol=0)


@pytest.mark.parametrize("name", [name for name in VIEWS if name not in ("reshape", "expand", "unfold")])
def test_a_change_shows_in_the_base(name):
    view = VIEWS[name]
    expected = torch.arange(24.0).reshape(4, 6)
    tensor = expected.to("tt")
    view(tensor).add_(1)
    view(expected).add_(1)
    torch.testing.assert_close(tensor.cpu(), expected, rtol=0, atol=0)


def test_complex_views():
    tensor = torch.randn(3, 2, dtype=torch.complex64)
    on_device = tensor.to("tt")
    torch.tt.set_fallback_mode("error")
    torch.testing.assert_close(torch.view_as_real(on_device).cpu(), torch.view_as_real(tensor), rtol=0, atol=0)
    torch.testing.assert_close(on_device.imag.cpu(), tensor.imag, rtol=0, atol=0)
    pairs = torch.randn(4, 2)
    torch.testing.assert_close(
        torch.view_as_complex(pairs.to("tt")).cpu(), torch.view_as_complex(pairs), rtol=0, atol=0
    )


def test_resize_keeps_the_elements():
    tensor = torch.arange(6.0, device="tt")
    tensor.resize_(2, 2)
    assert tensor.tolist() == [[0, 1], [2, 3]]
    storage = tensor.untyped_storage()
    assert storage.nbytes() == 24
    tensor.resize_(100)
    assert tensor[:6].tolist() == [0, 1, 2, 3, 4, 5]
    assert storage.nbytes() == 400
    tensor.resize_(0)
    assert tensor.shape == (0,)


def test_resize_with_a_memory_format():
    tensor = torch.empty(0, device="tt").resize_(2, 3, 4, 5, memory_format=torch.channels_last)
    assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_resize_of_a_view_keeps_its_offset():
    base = torch.arange(6.0, device="tt")
    view = base[2:4]
    view.resize_(6)
    assert view[:4].tolist() == [2, 3, 4, 5]
    assert base.untyped_storage().nbytes() == 32


def test_resize_to_negative():
    with pytest.raises(RuntimeError, match="negative dimension"):
        torch.empty(2, device="tt").resize_(-1)


def test_resize_as():
    tensor = torch.arange(6.0, device="tt").resize_as_(torch.empty(2, 3))
    assert tensor.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_storage_resize():
    tensor = torch.arange(4.0, device="tt")
    storage = tensor.untyped_storage()
    storage.resize_(32)
    assert (storage.nbytes(), tensor.tolist()) == (32, [0, 1, 2, 3])
    storage.resize_(0)
    assert storage.data_ptr() == 0


def test_set():
    tensor, source = torch.arange(4.0, device="tt"), torch.arange(10.0, 16.0, device="tt")
    tensor.set_(source)
    assert tensor.is_set_to(source)
    tensor.set_(source.untyped_storage(), 1, (2, 2), (2, 1))
    assert tensor.tolist() == [[11, 12], [13, 14]]
    assert not tensor.is_set_to(source)
    tensor.set_(source.untyped_storage())
    assert tensor.shape == (6,)
    tensor.set_()
    assert (tensor.shape, tensor.device.type, source.tolist()) == ((0,), "tt", [10, 11, 12, 13, 14, 15])


def test_set_beyond_the_storage_grows_it():
    source = torch.arange(4.0, device="tt")
    tensor = torch.empty(0, device="tt").set_(source.untyped_storage(), 2, (10,), (1,))
    assert tensor[:2].tolist() == [2, 3]
    assert source.untyped_storage().nbytes() == 48


def test_set_to_another_device(other_device):
    with pytest.raises(RuntimeError, match="devices must match"):
        torch.empty(2, device="tt:0").set_(torch.empty(2, device=other_device))


def test_the_base_may_go_first():
    view = torch.arange(1000.0, device="tt")[500:]
    torch.zeros(1000, device="tt")
    assert view[0].item() == 500


def test_empty_strided():
    tensor = torch.empty_strided((2, 3), (1, 5), dtype=torch.int32, device="tt")
    assert (tensor.stride(), tensor.untyped_storage().nbytes()) == ((1, 5), 12 * 4)
    assert torch.empty_like(tensor).stride() == torch.empty_like(tensor.cpu()).stride()


def test_as_strided_out_of_bounds():
    with pytest.raises(RuntimeError, match="out of bounds for storage"):
        torch.empty(4, device="tt").as_strided((5,), (1,))


def test_sparse_tensors_are_refused():
    with pytest.raises(NotImplementedError, match=r"expected torch\.strided tensors on tt, which has no sparse ones"):
        torch.zeros(2, 2, layout=torch.sparse_coo, device="tt")


def test_pinned_device_memory_is_refused():
    with pytest.raises(RuntimeError, match=r"pin"):
        torch.empty(2, device="tt", pin_memory=True)


def test_views_written_by_several_threads():
    """Bytes between a view's elements are another's: writing the view must not bring their old values back."""
    tensor = torch.zeros(64, 4, device="tt")

    def write(column):
        for value in range(50):
            tensor[:, column].fill_(value)

    with concurrent.futures.ThreadPoolExecutor() as threads:
        list(threads.map(write, range(4)))
    assert (tensor.cpu() == 49).all()
