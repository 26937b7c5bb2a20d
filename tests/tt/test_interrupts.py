"""Ctrl-C, and other signals, while Python waits for a device: heard within a second, after which the device goes on."""

import os

import pytest

from support import processes

pytestmark = pytest.mark.skipif(
    "TT_METAL_SLOW_DISPATCH_MODE" in os.environ and os.environ.get("TORCH_TT_RUNTIME") != "emulated",
    reason="without fast dispatch one launch waits for the other inside TT-Metalium, and nothing is queued",
)

# `enqueue(seconds)` enqueues work for about so long, and returns its last result;
# `interrupt(name, wait)` prints how a wait takes Ctrl-C.
PROGRAM = """
import os, signal, threading, time
import torch, torch_moe_ttnn

tokens = 16384 if torch.tt.get_device_properties().runtime == "emulated" else 1024
ids, weights = torch.zeros(tokens, 1, dtype=torch.int32, device="tt"), torch.ones(tokens, 1, device="tt")
stream = torch.tt.current_stream()

def launch(count):
    for _ in range(count):
        mapping = torch.ops.moe.prepare_mapping(ids, weights, 4)
    return mapping

def time_of(count):
    begin = time.perf_counter()
    launch(count)
    torch.tt.synchronize()
    return time.perf_counter() - begin

time_of(1)
each = min(time_of(10) for _ in range(3)) / 10

def enqueue(seconds):
    return launch(int(seconds / each) + 1)

def is_right(mapping):
    return float(mapping.cpu().sum()) == tokens

def send(number, after=0.2):
    def work():
        global sent
        time.sleep(after)
        sent = time.perf_counter()
        os.kill(os.getpid(), number)
    threading.Thread(target=work).start()

def interrupt(name, wait):
    send(signal.SIGINT)
    try:
        wait()
        print(name, "was not interrupted")
    except KeyboardInterrupt:
        seconds = time.perf_counter() - sent
        print(name, "busy" if not stream.query() else "idle", "at once" if seconds < 1 else seconds)
"""


def run(code: str) -> list[str]:
    return processes.output(f"{PROGRAM}\n{code}").splitlines()


def test_every_wait():
    lines = run("""
host = torch.zeros(tokens, 4)
waits = {
    "synchronize": torch.tt.synchronize,
    "accelerator": torch.accelerator.synchronize,
    "stream": stream.synchronize,
    "event": lambda: stream.record_event().synchronize(),
    "timed event": lambda: stream.record_event(torch.tt.Event(enable_timing=True)).synchronize(),
    "cpu": lambda: mapping.cpu(),
    "copy": lambda: host.copy_(mapping),
    "converting copy": lambda: mapping.to("cpu", torch.float64),
    "part": lambda: mapping[::2].tolist(),
    "item": lambda: mapping[0, 0].item(),
    "clone": lambda: mapping.clone(),
    "fallback": lambda: mapping + 1,
}
for name, wait in waits.items():
    mapping = enqueue(1.5)
    interrupt(name, wait)
torch.tt.synchronize()
print(stream.query(), is_right(mapping), is_right(enqueue(0)))
""")
    assert [line.split(maxsplit=1)[-1] for line in lines[:-1] if not line.endswith("busy at once")] == []
    assert len(lines) == 13
    assert lines[-1] == "True True True"


def test_a_handler_of_another_signal():
    """One that raises ends the wait; one that returns does not."""
    lines = run("""
def alarm(number, frame):
    print("alarm", "busy" if not stream.query() else "idle")
    if raising:
        raise TimeoutError
signal.signal(signal.SIGALRM, alarm)
for raising in (False, True):
    mapping = enqueue(2)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        torch.tt.synchronize()
        print("done", stream.query())
    except TimeoutError:
        print("raised", stream.query())
print(is_right(mapping))
""")
    assert lines == ["alarm busy", "done True", "alarm busy", "raised False", "True"]


def test_an_error_of_a_launch_outlives_the_interrupt():
    lines = run("""
wrong = ids.cpu()
wrong[5, 0] = 77
wrong = wrong.to("tt")
torch.ops.moe.prepare_mapping(wrong, weights, 4)
enqueue(2)
send(signal.SIGINT)
for _ in range(3):
    try:
        torch.tt.synchronize()
        print("nothing")
    except (KeyboardInterrupt, IndexError) as error:
        print(type(error).__name__, str(error)[-20:])
""")
    assert lines[0].strip() == "KeyboardInterrupt"
    assert lines[1].startswith("IndexError")
    assert lines[2:] == ["nothing"]


def test_other_threads_wait_on():
    """Python runs handlers in the main thread alone."""
    lines = run("""
def wait():
    torch.tt.synchronize()
    print("waited", stream.query(), is_right(mapping))
    done.set()
mapping = enqueue(2)
done = threading.Event()
threading.Thread(target=wait).start()
send(signal.SIGINT)
try:
    done.wait()
except KeyboardInterrupt:
    print("interrupted", stream.query())
done.wait()
""")
    assert lines == ["interrupted False", "waited True True"]


def test_a_compiled_graph():
    lines = run("""
@torch.compile(backend="eager", fullgraph=True)
def step(ids, weights):
    return torch.ops.moe.prepare_mapping(ids, weights, 4).cpu()
step(ids, weights)
enqueue(2)
send(signal.SIGINT)
try:
    step(ids, weights)
except KeyboardInterrupt:
    print("interrupted", stream.query(), time.perf_counter() - sent < 1)
print(float(step(ids, weights).sum()) == tokens)
""")
    assert lines == ["interrupted False True", "True"]


def test_other_threads_use_the_device_meanwhile():
    """While one waits, they allocate, copy to the device, launch and query, and none of it waits for the queue."""
    lines = run("""
def wait():
    torch.tt.synchronize()
    global waited
    waited = time.perf_counter()
mapping = enqueue(3)
thread = threading.Thread(target=wait)
thread.start()
time.sleep(0.2)
begin = time.perf_counter()
torch.empty(1000, device="tt")
other = torch.ones(1000).to("tt", non_blocking=True)
launch(1)
done = stream.query()
seconds = time.perf_counter() - begin
thread.join()
print(done, begin + seconds < waited, seconds < 1 or seconds, is_right(mapping), float(other.cpu().sum()))
""")
    assert lines == ["False True True True 1000.0"]


def test_calls_return_before_the_device_is_done():
    """Also copies to it, of any size: those of whole pages, and those that end within one."""
    lines = run("""
sizes = [1, 3, 1000, 1024, 4099, 100000]
hosts = [torch.rand(size) for size in sizes]
[host.to("tt") for host in hosts]
mapping = enqueue(3)
begin = time.perf_counter()
tensors = [host.to("tt", non_blocking=True) for host in hosts]
copied = time.perf_counter() - begin
busy = not stream.query()
print(busy, copied < 1 or copied, is_right(mapping), all(map(torch.equal, (t.cpu() for t in tensors), hosts)))
""")
    assert lines == ["True True True True"]


@pytest.mark.skipif(os.environ.get("TORCH_TT_RUNTIME") == "metal", reason="TT-Metalium's queue waits by itself")
def test_a_full_queue():
    """What enqueues waits for room, behind copies of as many bytes as the emulated device's queue holds."""
    lines = run("""
graph = torch.tt.Graph()
with torch.tt.graph(graph):
    launch(1)
calls = {
    "launch": lambda: launch(1),
    "replay": graph.replay,
    "timed event": lambda: stream.record_event(torch.tt.Event(enable_timing=True)),
    "copy": lambda: torch.ones(3).to("tt"),
    "zeros": lambda: torch.zeros(3, device="tt"),
    "capture": torch.tt.Graph().capture_begin,
}
mapping = enqueue(4)
large = torch.empty(1 << 28, dtype=torch.uint8).to("tt")
for name, call in calls.items():
    interrupt(name, call)
launch(1)
print(is_right(mapping), is_right(launch(1)))
""")
    assert [line.split(maxsplit=1)[-1] for line in lines[:-1] if not line.endswith("busy at once")] == []
    assert len(lines) == 7
    assert lines[-1] == "True True"


def test_waiting_for_another_device(other_device):
    """A queue cannot wait for another one's: the host does."""
    lines = run(f"""
mapping = enqueue(2)
event = stream.record_event()
other = torch.tt.Stream("{other_device}")
send(signal.SIGINT)
try:
    other.wait_event(event)
except KeyboardInterrupt:
    print("interrupted", stream.query(), time.perf_counter() - sent < 1)
print(is_right(mapping))
""")
    assert lines == ["interrupted False True", "True"]
