"""``torch.tt`` inside a graph that Dynamo must capture whole."""

import pytest
import torch

BACKENDS = ["eager", "aot_eager"]


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()


def compiled(function, backend="eager"):
    return torch.compile(function, backend=backend, fullgraph=True)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("module", ["tt", "accelerator"])
def test_synchronize(module, backend):
    """It is in the graph, at its place: an id out of range is raised there."""
    synchronize = getattr(torch, module).synchronize

    @torch.compile(backend=backend, fullgraph=True)
    def wait(ids, weights, result):
        mapping = torch.ops.moe.prepare_mapping(ids, weights, 16)
        synchronize()
        result += 1
        return mapping

    weights, result = torch.ones(2, 1, device="tt"), torch.zeros(1, device="tt")
    mapping = wait(torch.full((2, 1), 3, device="tt"), weights, result)
    assert torch.equal(mapping.cpu(), torch.eye(16)[[3, 3]])
    with pytest.raises(IndexError, match="got 16 at"):
        wait(torch.full((2, 1), 16, device="tt"), weights, result)
    if backend == "eager":
        assert result.item() == 1


def test_what_devices_there_are():
    @compiled
    def ask(x):
        module = torch.get_device_module("tt")
        if torch.tt.is_available() and torch.tt.is_bf16_supported() and module.device_count() > 0:
            return x + torch.tt.current_device() + 1
        return x

    assert ask(torch.ones(2, device="tt")).tolist() == [2, 2]


def test_the_current_device_is_guarded(other_device):
    function = compiled(lambda x: x + torch.tt.current_device())
    assert function(torch.ones(2, device="tt")).tolist() == [1, 1]
    with torch.tt.device(other_device):
        assert function(torch.ones(2, device="tt")).tolist() == [2, 2]


@pytest.mark.parametrize("kind", [torch.tt.Event, lambda: torch.Event(device="tt")], ids=["tt", "torch"])
def test_events(kind):
    def wait(x):
        event = kind()
        event.record()
        y = x + 1
        event.wait()
        event.synchronize()
        return y

    assert compiled(wait)(torch.ones(2, device="tt")).tolist() == [2, 2]


def test_streams():
    @compiled
    def work(x, given):
        stream = torch.tt.Stream()
        with torch.tt.stream(stream):
            y = x + 1
        with torch.tt.stream(given):
            y = y + 1
        with torch.tt.stream(None):
            y = y + 1
        torch.tt.current_stream().wait_stream(stream)
        torch.tt.default_stream().synchronize()
        return y

    assert work(torch.ones(2, device="tt"), torch.tt.Stream()).tolist() == [4, 4]
