"""Graphs of launches: captured once, replayed with one call."""

import gc
import textwrap
import threading
import warnings

import pytest
import torch

import torch_moe_ttnn
from support import processes
from support.checks import assert_same_bits
from support.choices import choices_on
from support.operators import GROUPING, MAPPING, PERMUTE, ROUTING, as_tuple
from torch_moe_ttnn.testing import make_choices

pytestmark = [pytest.mark.chip, pytest.mark.dispatch]

NUM_EXPERTS = 16
ALONE = "a graph holds launches of kernels alone"


class Layer:
    """What a layer launches, four launches, on tensors that it was made with."""

    def __init__(self, num_tokens=33):
        self.ids, self.weights = choices_on("tt", num_tokens)
        self.hidden = torch.randn(num_tokens, 32, dtype=torch.bfloat16).to("tt")
        self.run()
        torch.tt.synchronize()

    def run(self):
        mapping = MAPPING.overload(self.ids, self.weights, NUM_EXPERTS)
        routing = ROUTING.overload(self.ids, self.weights, NUM_EXPERTS)
        grouping = GROUPING.overload(self.ids, self.weights, NUM_EXPERTS, alignment=8)
        return mapping, *routing, *grouping, PERMUTE.overload(self.hidden, grouping[2])

    def renew(self, seed):
        ids, weights = make_choices(self.ids.shape[0], 4, NUM_EXPERTS, seed=seed)
        self.ids.copy_(ids)
        self.weights.copy_(weights)
        self.hidden.copy_(torch.randn(self.hidden.shape, generator=torch.Generator().manual_seed(seed)))

    def capture(self):
        graph = torch.tt.Graph()
        with torch.tt.graph(graph):
            outputs = self.run()
        return graph, outputs

    def expected(self):
        """Return what the CPU makes of the same inputs."""
        ids, weights, hidden = self.ids.cpu(), self.weights.cpu(), self.hidden.cpu()
        grouping = GROUPING.overload(ids, weights, NUM_EXPERTS, alignment=8)
        return (
            MAPPING.overload(ids, weights, NUM_EXPERTS),
            *ROUTING.overload(ids, weights, NUM_EXPERTS),
            *grouping,
            PERMUTE.overload(hidden, grouping[2]),
        )

    def check(self, outputs):
        assert_same_bits(tuple(output.cpu() for output in outputs), self.expected())


@pytest.fixture
def layer():
    return Layer()


@pytest.fixture(autouse=True)
def usable_afterwards():
    """What a test leaves must not hinder the next one."""
    yield
    gc.collect()
    assert not torch.tt.is_current_stream_capturing()
    torch.tt.synchronize()


def test_replays_have_eagers_bits(layer):
    before = torch.tt.num_launches()
    graph, outputs = layer.capture()
    assert torch.tt.num_launches() == before
    for seed in range(4):
        layer.renew(seed)
        graph.replay()
        layer.check(outputs)
    assert torch.tt.num_launches() == before + 16
    for _ in range(50):
        graph.replay()
    layer.check(outputs)
    assert isinstance(graph, torch.accelerator.Graph)


def test_the_names_of_every_accelerator(layer):
    assert not torch.tt.is_current_stream_capturing()
    graph = torch.accelerator.Graph(capture_error_mode="thread_local", pool=torch.tt.Graph().pool())
    with torch.tt.current_stream(), graph:
        assert torch.tt.is_current_stream_capturing()
        outputs = layer.run()
    layer.renew(5)
    graph.replay()
    layer.check(outputs)
    kept = torch.tt.Graph(keep_graph=True)
    kept.capture_begin()
    outputs = layer.run()
    kept.capture_end()
    kept.instantiate()
    kept.replay()
    layer.check(outputs)
    assert kept.pool() != graph.pool()


def test_nothing_runs_before_the_replay(layer):
    """Launches of before and behind the capture do, between the two."""
    mapping = MAPPING.overload(layer.ids, layer.weights, NUM_EXPERTS)
    kept = mapping.cpu()
    graph = torch.tt.Graph()
    with torch.tt.graph(graph):
        later = MAPPING.overload(layer.ids, layer.weights, NUM_EXPERTS)
    layer.renew(9)
    assert torch.equal(mapping.cpu(), kept)
    assert_same_bits(as_tuple(MAPPING.overload(layer.ids, layer.weights, NUM_EXPERTS).cpu()), layer.expected()[:1])
    graph.replay()
    assert_same_bits((later.cpu(),), layer.expected()[:1])


def test_graphs_in_turn_and_beside_eager(layer):
    other = Layer(200)
    graph, outputs = layer.capture()
    other_graph, other_outputs = other.capture()
    for seed in range(3):
        layer.renew(seed)
        other.renew(seed + 10)
        graph.replay()
        eager = other.run()
        other_graph.replay()
        layer.check(outputs)
        other.check(other_outputs)
        other.check(eager)


def test_one_graph_reads_what_another_writes(layer):
    graph, outputs = layer.capture()
    then = torch.tt.Graph()
    with torch.tt.graph(then):
        permuted = PERMUTE.overload(layer.hidden, outputs[6])
    for seed in range(2):
        layer.renew(seed)
        graph.replay()
        then.replay()
        assert_same_bits((permuted.cpu(),), layer.expected()[-1:])


def test_a_graph_keeps_the_memory_of_its_tensors(layer):
    """Freed memory of the same size goes to the next tensor, unless a graph has it."""
    graph = torch.tt.Graph()
    with torch.tt.graph(graph):
        grouping = GROUPING.overload(layer.ids, layer.weights, NUM_EXPERTS, alignment=8)
        PERMUTE.overload(layer.hidden, grouping[2])  # a second one must not take its memory, nor of the outputs above
        permuted = PERMUTE.overload(layer.hidden, grouping[2])
    expected = layer.expected()[-1:]
    sizes = [(tensor.shape, tensor.dtype) for tensor in (*grouping, layer.ids, layer.weights, layer.hidden)]
    del grouping, layer.ids, layer.weights, layer.hidden
    gc.collect()
    torch.tt.empty_cache()
    others = [torch.full(shape, 3, dtype=dtype).to("tt") for shape, dtype in sizes]
    graph.replay()
    assert_same_bits((permuted.cpu(),), expected)
    assert all(bool((other.cpu() == 3).all()) for other in others)


def test_memory_goes_back_with_the_graph():
    def free():
        gc.collect()
        torch.tt.synchronize()
        torch.tt.empty_cache()
        return torch.tt.mem_get_info()[0]

    layer = Layer(500)
    layer.capture()
    before = free(), torch.tt.memory_reserved()
    for end in ("reset", "del"):
        graph, outputs = layer.capture()
        graph.replay()
        del outputs
        assert free() < before[0]
        assert torch.tt.memory_reserved() > before[1]
        if end == "reset":
            graph.reset()
        else:
            del graph
        assert (free(), torch.tt.memory_reserved()) == before


def test_the_outputs_outlive_the_graph(layer):
    graph, outputs = layer.capture()
    graph.replay()
    del graph
    layer.check(outputs)


def test_a_graph_is_captured_again_after_reset(layer):
    graph, _ = layer.capture()
    with pytest.raises(RuntimeError, match="expected a graph that holds nothing, got one that was captured: reset"):
        graph.capture_begin()
    graph.replay()
    graph.reset()
    for call in (graph.replay, graph.instantiate):
        with pytest.raises(RuntimeError, match="expected a graph that was captured"):
            call()
    with torch.tt.graph(graph):
        again = layer.run()
    layer.renew(3)
    graph.replay()
    layer.check(again)


def test_calls_out_of_order(layer):
    graph = torch.tt.Graph()
    with pytest.raises(RuntimeError, match=r"expected a graph that is being captured: capture_begin\(\) comes first"):
        graph.capture_end()
    with pytest.raises(RuntimeError, match="expected a graph that was captured"):
        graph.replay()
    graph.capture_begin()
    with pytest.raises(RuntimeError, match="expected a graph that is not being captured"):
        graph.capture_begin()
    graph.reset()
    assert not torch.tt.is_current_stream_capturing()


def test_one_capture_at_a_time(layer):
    graph = torch.tt.Graph()
    with torch.tt.graph(graph):
        outputs = layer.run()
        with pytest.raises(RuntimeError, match="expected one capture of a thread at a time, got a second one on tt:0"):
            torch.tt.Graph().capture_begin()
    graph.replay()
    layer.check(outputs)


REFUSED = {
    "a copy from the host": lambda layer: layer.ids.copy_(torch.zeros(layer.ids.shape, dtype=layer.ids.dtype)),
    "a copy to the host": lambda layer: layer.ids.cpu(),
    "a wait for the device": lambda layer: torch.tt.synchronize(),
    "an event": lambda layer: torch.tt.Event().record(),
    "a query of the device": lambda layer: torch.tt.current_stream().query(),
    "aten::add.out, which runs on the CPU,": lambda layer: layer.weights + layer.weights,
    "moe::unpermute, which runs on the CPU,": lambda layer: torch.ops.moe.unpermute(
        layer.hidden, layer.weights, torch.ops.moe.prepare_grouping(layer.ids, layer.weights, NUM_EXPERTS)[4]
    ),
}
REFUSED_TOO = {  # by another name
    "fill_": lambda layer: torch.zeros(3, device="tt"),
    "item": lambda layer: layer.weights[0, 0].item(),
    "contiguous": lambda layer: MAPPING.overload(layer.ids.t().reshape(-1, 4), layer.weights, NUM_EXPERTS),
    "empty": lambda layer: ROUTING.overload(layer.ids[:0], layer.weights[:0], NUM_EXPERTS),
    "to": lambda layer: torch.ones(2).to("tt"),
}


@pytest.mark.parametrize("what", [*REFUSED, *REFUSED_TOO])
def test_what_cannot_be_captured(layer, what):
    graph = torch.tt.Graph()
    call = {**REFUSED, **REFUSED_TOO}[what]

    def capture(context):
        with context:
            layer.run()
            call(layer)

    def capture_and_go_on():
        with graph:
            layer.run()
            with pytest.raises(RuntimeError, match=message):
                call(layer)
            layer.run()

    message = f"{what if what in REFUSED else 'a copy'}.* cannot be captured: {ALONE}"
    with pytest.raises(RuntimeError, match=message):
        capture(torch.tt.graph(graph))
    with pytest.raises(RuntimeError, match="expected a graph that was captured"):
        graph.replay()
    # By PyTorch's own context manager, and where the statement goes on.
    with pytest.raises(RuntimeError, match=f"nothing was captured, since {message}"):
        capture_and_go_on()
    graph, outputs = layer.capture()
    layer.renew(2)
    graph.replay()
    layer.check(outputs)


def test_the_statements_own_errors_come_through(layer):
    graph = torch.tt.Graph()

    def capture():
        with torch.tt.graph(graph):
            layer.run()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        capture()
    with pytest.raises(RuntimeError, match="expected a graph that was captured"):
        graph.replay()


def test_arguments_are_checked_at_the_capture(layer):
    graph = torch.tt.Graph()
    with torch.tt.graph(graph):
        outputs = layer.run()
        with pytest.raises(RuntimeError, match="moe::prepare_mapping: expected"):
            MAPPING.overload(layer.ids, layer.weights[:3], NUM_EXPERTS)
    graph.replay()
    layer.check(outputs)


def test_what_was_never_launched_is_refused():
    """In a process of its own, where nothing has been."""
    code = """
        import torch, torch_moe_ttnn
        ids, weights = torch.zeros(4, 1, dtype=torch.int32).to("tt"), torch.ones(4, 1).to("tt")
        graph = torch.tt.Graph()
        try:
            with torch.tt.graph(graph):
                torch_moe_ttnn.prepare_mapping(ids, weights, 2)
        except RuntimeError as error:
            print(error)
        torch_moe_ttnn.prepare_mapping(ids, weights, 2)
        with torch.tt.graph(graph):
            mapping = torch_moe_ttnn.prepare_mapping(ids, weights, 2)
        ids.fill_(1)
        graph.replay()
        print(mapping.tolist())
    """
    first, then = processes.output(textwrap.dedent(code)).splitlines()
    assert "the first launch of program 'prepare_mapping" in first
    assert first.endswith("cannot be captured: run what is to be captured once before, with the same shapes and dtypes")
    assert then == str([[0.0, 1.0]] * 4)


def test_invalid_ids_of_a_replay_are_raised_by_the_next_wait(layer):
    graph, outputs = layer.capture()
    torch.tt.synchronize()  # The capture has launched nothing.
    good = layer.ids.cpu()
    bad = good.clone()
    bad[3, 1] = 77
    layer.ids.copy_(bad)
    MAPPING.overload(layer.ids, layer.weights, NUM_EXPERTS)
    with pytest.raises(IndexError) as eager:
        torch.tt.synchronize()
    for _ in range(2):
        graph.replay()
        with pytest.raises(IndexError) as error:
            torch.tt.synchronize()
        assert str(error.value) == f"{eager.value}; calls after it met such ids too"
        torch.tt.synchronize()
    layer.ids.copy_(good)
    graph.replay()
    layer.check(outputs)
    # An error of both, the thread's own call and the replay's, is one.
    layer.ids.copy_(bad)
    graph.replay()
    ROUTING.overload(layer.ids, layer.weights, NUM_EXPERTS)
    with pytest.raises(IndexError, match=r"got 77 at selected_experts.* such ids too"):
        outputs[0].cpu()
    torch.tt.synchronize()


def test_invalid_ids_are_the_replaying_threads(layer):
    """A graph that is gone leaves its error behind."""
    graph, _ = layer.capture()
    layer.ids.fill_(99)
    errors = []

    def replay():
        nonlocal graph
        graph.replay()
        graph = None
        try:
            torch.tt.synchronize()
        except IndexError as error:
            errors.append(str(error))

    thread = threading.Thread(target=replay)
    thread.start()
    thread.join()
    torch.tt.synchronize()
    assert len(errors) == 1
    assert "got 99 at selected_experts[0, 0]" in errors[0]


def test_other_threads_are_not_captured(layer):
    other = Layer()
    graph = torch.tt.Graph()
    results = []

    def eager():
        assert not torch.tt.is_current_stream_capturing()
        other.renew(4)
        results.append(other.run())
        other.check(results[0])

    with torch.tt.graph(graph):
        outputs = layer.run()
        before = torch.tt.num_launches()
        thread = threading.Thread(target=eager)
        thread.start()
        thread.join()
        assert torch.tt.num_launches() == before + 4
    layer.renew(6)
    graph.replay()
    assert torch.tt.num_launches() == before + 8
    layer.check(outputs)
    other.check(results[0])


def test_a_capture_ends_on_its_thread(layer):
    graph = torch.tt.Graph()
    graph.capture_begin()
    outputs = layer.run()
    errors = []

    def end():
        try:
            graph.capture_end()
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=end)
    thread.start()
    thread.join()
    assert "a capture ends on the thread that began it" in errors[0]
    graph.capture_end()
    graph.replay()
    layer.check(outputs)


def test_a_capture_whose_graph_is_gone(layer):
    graph = torch.tt.Graph()
    graph.capture_begin()
    layer.run()
    del graph
    assert not torch.tt.is_current_stream_capturing()
    layer.check(layer.run())


def test_a_backward_pass_is_refused(layer):
    """Autograd runs it on another thread, whose launches would not be captured."""
    weights = layer.weights.float().requires_grad_()
    torch_moe_ttnn.prepare_mapping(layer.ids, weights, NUM_EXPERTS).sum().backward()
    mapping = torch_moe_ttnn.prepare_mapping(layer.ids, weights, NUM_EXPERTS)
    gradient = torch.ones_like(mapping)
    graph = torch.tt.Graph()
    message = "(a backward pass cannot use tt:0 while a graph|cannot be captured)"
    with pytest.raises(RuntimeError, match=message), torch.tt.graph(graph):
        mapping.backward(gradient)
    layer.check(layer.run())


def test_a_graph_of_another_device(other_device):
    layer = Layer()
    ids, weights, hidden = (tensor.to(other_device) for tensor in (layer.ids, layer.weights, layer.hidden))
    expected = MAPPING.overload(ids, weights, NUM_EXPERTS).cpu()
    graph = torch.tt.Graph()
    with torch.tt.graph(graph, stream=torch.tt.Stream(other_device)):
        assert torch.tt.current_device() == 1
        mapping = MAPPING.overload(ids, weights, NUM_EXPERTS)
        # The other device is not captured.
        layer.check(layer.run())
    assert torch.tt.current_device() == 0
    graph.replay()
    assert torch.equal(mapping.cpu(), expected)
    assert hidden.device == other_device


def test_a_graph_is_written_to_a_file(layer, tmp_path):
    graph, _ = layer.capture()
    graph.enable_debug_mode()
    graph.debug_dump(str(tmp_path / "graph.dot"))
    text = (tmp_path / "graph.dot").read_text()
    assert text.startswith("digraph")
    assert text.count("label") == 4
    assert text.count("->") == 3
    with pytest.raises(RuntimeError, match="cannot write the graph to"):
        graph.debug_dump(str(tmp_path / "none" / "graph.dot"))


def test_the_profiler_shows_a_replay(layer):
    graph, outputs = layer.capture()
    with torch.profiler.profile() as profile:
        with_profiler, _ = layer.capture()
        with_profiler.replay()
        graph.replay()
    assert sum(event.name == "tt::launch_graph" for event in profile.events()) == 2
    layer.check(outputs)


def test_exit_with_a_graph_and_a_capture():
    code = """
        import torch, torch_moe_ttnn
        ids, weights = torch.zeros(4, 1, dtype=torch.int32).to("tt"), torch.ones(4, 1).to("tt")
        torch_moe_ttnn.prepare_mapping(ids, weights, 2)
        graph, other = torch.tt.Graph(), torch.tt.Graph()
        with torch.tt.graph(graph):
            mapping = torch_moe_ttnn.prepare_mapping(ids, weights, 2)
        for _ in range(3):
            graph.replay()
        torch._graph_of_this_test = graph
        other.capture_begin()
        torch_moe_ttnn.prepare_mapping(ids, weights, 2)
        print("end")
    """
    assert processes.output(textwrap.dedent(code)) == "end"


# A process with a graph.
CAPTURED = """
import os, sys, torch, torch_moe_ttnn
ids, weights = torch.zeros(4, 1, dtype=torch.int32).to("tt"), torch.ones(4, 1).to("tt")
torch_moe_ttnn.prepare_mapping(ids, weights, 2)
graph = torch.tt.Graph()
with torch.tt.graph(graph):
    mapping = torch_moe_ttnn.prepare_mapping(ids, weights, 2)
"""


def test_an_invalid_id_of_a_last_replay_is_said_at_exit():
    code = """
        ids.fill_(7)
        graph.replay()
    """
    process = processes.run(CAPTURED + textwrap.dedent(code))
    assert process.returncode == 0, process.stderr
    assert process.stderr.count("met an error that no wait of its thread has raised: IndexError: moe::prepare_map") == 1


@pytest.mark.usefixtures("room_to_fork")
def test_a_forked_child_does_not_replay():
    code = """
        graph.replay()
        if os.fork() == 0:
            try:
                graph.replay()
            except RuntimeError as error:
                print("Cannot use tt devices in a forked subprocess" in str(error), flush=True)
            del graph
            os._exit(0)
        os.wait()
        graph.replay()
        print(mapping.tolist())
    """
    assert processes.output(CAPTURED + textwrap.dedent(code)).splitlines() == ["True", str([[1.0, 0.0]] * 4)]


@pytest.fixture
def reduced():
    """Return a compiled function of launches alone, and the function."""
    torch.compiler.reset()

    def both(ids, weights):
        return MAPPING.overload(ids, weights, NUM_EXPERTS), *ROUTING.overload(ids, weights, NUM_EXPERTS)

    yield torch.compile(both, fullgraph=True, backend="torch_moe_ttnn", mode="reduce-overhead"), both
    torch.compiler.reset()


@pytest.fixture
def replays(monkeypatch):
    """Return a list that has one entry for each replay."""
    from torch_moe_ttnn.tt import _replayed

    made = []

    class Counted(torch.accelerator.Graph):
        def replay(self):
            made.append(self)
            super().replay()

    monkeypatch.setattr(_replayed, "Graph", Counted)
    return made


def check_reduced(outputs, ids, weights, both):
    assert_same_bits(tuple(output.cpu() for output in outputs), both(ids.cpu(), weights.cpu()))


def test_a_compiled_function_of_launches_is_replayed(reduced, replays):
    compiled, both = reduced
    ids, weights = choices_on("tt", 64)
    torch.tt.set_fallback_mode("error")
    for call in range(8):
        new = make_choices(64, 4, NUM_EXPERTS, seed=call)
        ids.copy_(new[0])
        weights.copy_(new[1])
        outputs = compiled(ids, weights)
        check_reduced(outputs, ids, weights, both)
    # All calls but the first one, with the outputs of the last call still there.
    assert len(replays) == 7
    assert len(set(map(id, replays))) == 2


def test_outputs_that_are_kept_are_not_overwritten(reduced, replays):
    compiled, both = reduced
    ids, weights = choices_on("tt", 64)
    kept = []
    for call in range(8):
        new = make_choices(64, 4, NUM_EXPERTS, seed=call)
        ids.copy_(new[0])
        weights.copy_(new[1])
        mapping, *_ = compiled(ids, weights)
        kept.append((new, mapping[3:]))  # a view is enough
        del mapping, _
    for new, rows in kept:
        assert torch.equal(rows.cpu(), both(*new)[0][3:])
    assert len(replays) == 2
    kept.clear()
    compiled(ids, weights)
    assert len(replays) == 3


def test_new_inputs_run_as_ever(reduced, replays):
    compiled, both = reduced
    for call in range(12):
        ids, weights = choices_on("tt", 64, seed=call)
        check_reduced(compiled(ids, weights), ids, weights, both)
    assert not replays
    inputs = [choices_on("tt", 64, seed=call) for call in range(12)]
    for _ in range(3):
        for ids, weights in inputs:
            check_reduced(compiled(ids, weights), ids, weights, both)
    for _ in range(3):
        for ids, weights in inputs[:4]:
            check_reduced(compiled(ids, weights), ids, weights, both)
    assert len(replays) >= 8


def test_a_compiled_functions_graphs_give_memory_back(reduced):
    """Those of inputs that are gone; the logs of invalid ids, which the first round allocates, serve the next."""
    compiled, _ = reduced
    reserved = []
    for _ in range(4):
        ids, weights = choices_on("tt", 500)
        for _ in range(3):
            compiled(ids, weights)
        torch.tt.synchronize()
        torch.tt.empty_cache()
        reserved.append(torch.tt.memory_reserved())
        del ids, weights
        gc.collect()
    assert reserved[1:] == [reserved[1]] * 3


@pytest.mark.parametrize("case", ["a fallback", "empty", "not contiguous", "gradients"])
def test_what_is_not_only_launches_runs_as_ever(replays, case):
    torch.compiler.reset()

    def function(ids, weights):
        mapping = MAPPING.overload(ids, weights, NUM_EXPERTS)
        return mapping + 1 if case == "a fallback" else mapping

    compiled = torch.compile(function, backend="torch_moe_ttnn", mode="reduce-overhead")
    ids, weights = choices_on("tt", 64, weight_dtype=torch.float32) if case == "gradients" else choices_on("tt", 64)
    if case == "empty":
        ids, weights = ids[:0], weights[:0]
    elif case == "not contiguous":
        ids = torch.cat([ids, ids], dim=1)[:, :4]
    elif case == "gradients":
        weights.requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for _ in range(3):
            outputs = compiled(ids, weights)
            assert_same_bits((outputs.detach().cpu(),), (function(ids.cpu(), weights.detach().cpu()),))
    if case == "gradients":
        outputs.sum().backward()
        assert torch.equal(weights.grad.cpu(), torch.ones_like(weights.detach().cpu()))
    assert not replays
    torch.compiler.reset()


def test_invalid_ids_of_a_compiled_function(reduced, replays):
    compiled, both = reduced
    ids, weights = choices_on("tt", 64)
    compiled(ids, weights)
    compiled(ids, weights)
    good = ids.cpu()
    ids.fill_(55)
    compiled(ids, weights)
    assert len(replays) == 2
    with pytest.raises(IndexError, match=r"got 55 at selected_experts\[0, 0\]"):
        torch.tt.synchronize()
    ids.copy_(good)
    check_reduced(compiled(ids, weights), ids, weights, both)


def test_a_compiled_function_within_a_capture(reduced):
    compiled, both = reduced
    ids, weights = choices_on("tt", 64)
    for _ in range(3):
        compiled(ids, weights)
    graph = torch.tt.Graph()
    with torch.tt.graph(graph):
        outputs = compiled(ids, weights)
    graph.replay()
    check_reduced(outputs, ids, weights, both)
