"""What torch.compile does on tt beyond what it does everywhere."""

import pytest
import torch
from torch._dynamo.device_interface import get_interface_for_device

from support import processes
from support.checks import assert_same_bits
from support.choices import choices_on
from support.operators import MAPPING, ROUTING
from torch_moe_ttnn.testing import make_choices


@pytest.fixture(autouse=True)
def nothing_compiled_before():
    torch.compiler.reset()


def compiled(function):
    return torch.compile(function, fullgraph=True, backend="torch_moe_ttnn")


def both(ids, weights):
    return MAPPING.overload(ids, weights, 16), *ROUTING.overload(ids, weights, 16)


@pytest.fixture
def choices():
    return choices_on("tt", 64)


def test_the_backend_is_listed():
    assert "torch_moe_ttnn" in torch.compiler.list_backends()


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_a_backend_of_another_package_is_called_tt(first):
    """That of tt-xla is."""
    ours = "tensor = torch.compile(lambda x: x + 1, backend='torch_moe_ttnn')(torch.ones(2, device='tt'))"
    theirs = "torch._dynamo.register_backend(lambda graph, inputs: graph.forward, name='tt')"
    code = "\n".join(
        [
            "import torch, torch_moe_ttnn, torch._dynamo",
            *([ours, theirs] if first == "ours" else [theirs, ours]),
            "print(tensor.tolist(), torch.compile(lambda x: x * 2, backend='tt')(torch.ones(2)).tolist())",
        ]
    )
    assert processes.output(code) == "[2.0, 2.0] [2.0, 2.0]"


def test_launches_and_nothing_else(choices):
    """One launch an operator, of which nobody waits for one: an error stays in the queue until somebody asks."""
    function = compiled(both)
    function(*choices)
    torch.tt.set_fallback_mode("error")
    before = torch.tt.num_launches()
    for _ in range(3):
        function(*choices)
    assert torch.tt.num_launches() - before == 6
    ids, weights = choices
    function(torch.full_like(ids, 16), weights)
    expected = both(*choices)
    outputs = function(*choices)
    with pytest.raises(IndexError, match=r"got 16 at selected_experts\[0, 0\]"):
        torch.tt.synchronize()
    assert_same_bits(outputs, expected)


def test_views_of_outputs_stay_on_the_device(choices):
    """What starts from uint32 outputs as int32 is no copy: nothing waits either."""

    def function(ids, weights):
        counts, tokens, weights = ROUTING.overload(ids, weights, 16)
        return counts[0, :16].view(torch.int32), tokens[:16, :64].view(torch.int32), weights[:16, :64]

    expected = function(*choices)
    function = compiled(function)
    function(*choices)
    torch.tt.set_fallback_mode("error")
    MAPPING.overload(torch.full_like(choices[0], 16), choices[1], 16)
    outputs = function(*choices)
    with pytest.raises(IndexError):
        torch.tt.synchronize()
    assert_same_bits(outputs, expected)


def test_a_graph_on_both_devices(choices):
    def function(ids, weights):
        mapping = MAPPING.overload(ids.to("tt"), weights.to("tt"), 16)
        loads = MAPPING.overload(ids, weights, 16).sum(dim=0)
        return mapping.to("cpu") * loads, mapping * 2

    ids, weights = (tensor.cpu() for tensor in choices)
    on_host, on_device = compiled(function)(ids, weights)
    assert (on_host.device.type, on_device.device.type) == ("cpu", "tt")
    assert_same_bits((on_host, on_device), function(ids, weights))


def test_graphs_on_the_other_device(choices, other_device):
    """What was compiled for one device is not run on another."""
    function = compiled(both)
    expected = function(*choices)
    there = function(*(tensor.to(other_device) for tensor in choices))
    assert {tensor.device for tensor in there} == {other_device}
    assert_same_bits(there, expected)


def test_choices_on_two_devices(choices):
    """The words of the error are those of eager, where fake tensors have only a device to differ in."""
    function = compiled(both)
    message = f"{MAPPING.name}: expected selected_experts and routing_weights on the same device, got cpu and tt:0"
    with pytest.raises(RuntimeError, match=message):
        function(choices[0].cpu(), choices[1])


def test_what_changes_an_input():
    def function(tensor):
        tensor[1:].add_(1)
        return tensor * 2

    tensor = torch.zeros(3, device="tt")
    assert compiled(function)(tensor).tolist() == [0, 2, 2]
    assert tensor.tolist() == [0, 1, 1]


def test_training():
    """Around the operators, which have no gradient, there may be one."""
    model = torch.nn.Linear(16, 2).to("tt")
    ids, weights = (tensor.to("tt") for tensor in make_choices(4, 4, 16, weight_dtype=torch.float32))

    def function():
        return model(MAPPING.overload(ids, weights, 16)).sum()

    function().backward()
    expected = model.weight.grad.cpu()
    model.zero_grad()
    compiled(function)().backward()
    assert torch.equal(model.weight.grad.cpu(), expected)


@pytest.mark.parametrize("mixed", [False, True], ids=["on tt", "on both devices"])
def test_inductor_names_the_backend(mixed, inductor):
    function = torch.compile(lambda a, b: (a * 2, b * 2))
    tensor = torch.ones(3, device="tt")
    with pytest.raises(RuntimeError, match=r'Inductor, .* generates no code for tt: use .*backend="torch_moe_ttnn"'):
        function(tensor, torch.ones(3) if mixed else tensor)


def test_inductor_names_the_backend_for_a_factory(inductor):
    """No tensor that comes in is on the device."""
    function = torch.compile(lambda a: torch.ones(3, device="tt") + a.item(), backend="inductor")
    with pytest.raises(RuntimeError, match=r'generates no code for tt: use .*backend="torch_moe_ttnn"'):
        function(torch.ones(1))


def test_inductor_names_the_backend_where_only_the_middle_is_on_tt(inductor):
    function = torch.compile(lambda a: (a.to("tt") * 2).cpu())
    with pytest.raises(RuntimeError, match=r'generates no code for tt: use .*backend="torch_moe_ttnn"'):
        function(torch.ones(3))


# PyTorch warns of a use of its own.
@pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated:FutureWarning")
def test_aot_inductor_names_the_backend(inductor):
    class Double(torch.nn.Module):
        def forward(self, tensor):
            return tensor * 2

    program = torch.export.export(Double(), (torch.ones(3, device="tt"),))
    with pytest.raises(RuntimeError, match=r'generates no code for tt: use .*backend="torch_moe_ttnn"'):
        torch._inductor.aoti_compile_and_package(program)


def test_options_of_the_backend():
    """There are none, and what would be without effect is an error."""
    function = torch.compile(lambda tensor: tensor * 2, backend="torch_moe_ttnn", mode="max-autotune")
    message = r"expected no mode but .reduce-overhead. and no options .* got .*max-autotune"
    with pytest.raises(RuntimeError, match=message):
        function(torch.ones(3, device="tt"))


def test_the_device_interface():
    interface = get_interface_for_device("tt")
    assert get_interface_for_device(torch.device("tt:0")) is interface
    assert interface.is_available()
    assert interface.device_count() == torch.tt.device_count()
    assert interface.current_device() == 0
    stream = interface.current_stream()
    interface.synchronize()
    assert stream.query()
    with interface.stream(stream):
        assert interface.current_stream() == stream
    interface.set_stream(stream)
    interface.synchronize()
    assert interface.get_raw_stream(0) == stream.stream_id
    assert interface.get_device_properties("tt") == torch.tt.get_device_properties()
    assert interface.get_compute_capability() == torch.tt.get_device_properties().architecture
    assert interface.is_dtype_supported(torch.bfloat16)
    assert interface.memory_allocated() == torch.tt.memory_allocated()
    event = interface.Event("tt", enable_timing=True)
    event.record()
    assert event.query()


def test_the_device_interface_changes_devices(other_device):
    interface = get_interface_for_device(other_device)
    assert interface.exchange_device(other_device.index) == 0
    assert interface.current_device() == other_device.index
    interface.maybe_exchange_device(0)
    with interface.device(other_device):
        assert interface.current_device() == other_device.index
    interface.set_device(0)
    assert interface.current_device() == 0


QUESTIONS = {
    "is_available": lambda t: t if torch.tt.is_available() else t + 1,
    "device_count": lambda t: t * torch.tt.device_count(),
    "current_device": lambda t: t + torch.tt.current_device(),
    "accelerator": lambda t: t + torch.accelerator.current_device_index(),
    "device": lambda t: (t, torch.zeros(2, device="tt").device),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_questions_in_a_graph(question):
    tensor = torch.ones(2)
    assert str(compiled(question)(tensor)) == str(question(tensor))


def test_the_current_device_is_guarded(other_device):
    function = compiled(lambda t: t + torch.tt.current_device())
    assert function(torch.zeros(1)).item() == 0
    with torch.tt.device(other_device):
        assert function(torch.zeros(1)).item() == 1
    assert function(torch.zeros(1)).item() == 0


def test_streams_and_events_in_a_graph():
    def function(tensor):
        stream = torch.accelerator.current_stream()
        event = torch.Event("tt")
        doubled = tensor * 2
        event.record(stream)
        torch.accelerator.synchronize()
        return doubled, stream.query(), event.query()

    tensor = torch.ones(2, device="tt")
    # Dynamo asks a stream while it traces, on every device, and the graph returns the answer of then.
    torch.tt.synchronize()
    doubled, *done = compiled(function)(tensor)
    assert doubled.tolist() == [2, 2]
    assert done == [True, True]


@pytest.mark.parametrize("context", [torch.tt.device, torch.accelerator.device_index])
def test_another_device_in_a_graph(context, other_device):
    def function():
        with context(other_device.index):
            there = torch.zeros(2, device="tt")
        return there, torch.zeros(2, device="tt")

    there, here = compiled(function)()
    assert (there.device, here.device.index) == (other_device, 0)
    assert torch.tt.current_device() == 0


@pytest.mark.parametrize("unnamed", [None, "tt", torch.device("tt")], ids=str)
def test_no_device_in_particular_in_a_graph(unnamed, other_device):
    def function():
        with torch.tt.device(unnamed):
            return torch.zeros(2, device="tt")

    function = compiled(function)
    assert function().device == torch.device("tt:0")
    with torch.tt.device(other_device):
        assert function().device == other_device
        assert torch.tt.current_device() == other_device.index


def test_a_graph_on_the_current_device(other_device):
    function = compiled(lambda: torch.zeros(2, device="tt"))
    assert function().device == torch.device("tt:0")
    with torch.tt.device(other_device):
        assert function().device == other_device


def test_the_current_device_before_any_is_open():
    code = """
import torch, torch_moe_ttnn
torch.tt.set_device(1)
print(torch.tt.current_device(), torch.tt.is_initialized())
"""
    assert processes.output(code, TORCH_TT_RUNTIME="emulated", TORCH_TT_EMULATED_DEVICES="2") == "1 False"


def test_nothing_of_this_is_imported_with_torch():
    """torch.compile costs a second to import, and registers the device when it is."""
    code = """
import sys, torch, torch_moe_ttnn
print("torch._dynamo" in sys.modules)
import torch._dynamo.device_interface as interface
print(interface.get_interface_for_device("tt").__name__, torch.tt.is_initialized())
"""
    assert processes.output(code).split() == ["False", "TTInterface", "False"]


def test_imported_before_this_package():
    code = """
import torch._dynamo
import torch_moe_ttnn
print(torch._dynamo.device_interface.get_interface_for_device("tt").__name__)
"""
    assert processes.output(code, TORCH_DEVICE_BACKEND_AUTOLOAD="0") == "TTInterface"


def test_inductor_on_the_cpu_opens_no_device():
    """Inductor asks every device for its properties before it compiles for any."""
    code = """
import torch, torch_moe_ttnn
from torch._inductor.async_compile import caching_device_properties
caching_device_properties()
print(torch.tt.is_available(), torch.tt.is_initialized())
"""
    assert processes.output(code) == "True False"
