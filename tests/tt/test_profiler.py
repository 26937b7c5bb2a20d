"""``torch.profiler``: launches, and their time on the device."""

import json

import pytest
import torch
from torch.profiler import ProfilerActivity

from support import processes

pytestmark = pytest.mark.filterwarnings("ignore")


def launch(tokens: int = 512) -> None:
    ids = torch.zeros(tokens, 1, dtype=torch.int32, device="tt")
    torch.ops.moe.prepare_mapping(ids, torch.ones(tokens, 1, device="tt"), 16)


@pytest.fixture(autouse=True)
def built():
    """Build the program before anything is timed."""
    launch()
    torch.tt.synchronize()


def named(profile, name):
    return [event for event in profile.events() if event.name == name]


def test_launches_are_on_the_device_in_a_trace(tmp_path):
    with torch.profiler.profile(activities=[ProfilerActivity.CPU, ProfilerActivity.PrivateUse1]) as profile:
        for _ in range(3):
            launch()
    (operator,) = [event for event in profile.key_averages() if event.key == "moe::prepare_mapping"]
    (kernel,) = [event for event in profile.key_averages() if event.key == "prepare_mapping"]
    assert operator.count == kernel.count == 3
    assert operator.device_time_total == pytest.approx(kernel.device_time_total)
    assert kernel.device_time_total > 0
    assert kernel.cpu_time_total == 0
    assert [event.device_index for event in named(profile, "prepare_mapping")] == [0, 0, 0]

    profile.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    ranges = [event for event in events if event.get("name") == "tt::launch_prepare_mapping"]
    kernels = [event for event in events if event.get("cat") == "kernel"]
    assert [kernel["name"] for kernel in kernels] == ["prepare_mapping"] * 3
    by_number = {event["args"]["External id"]: event for event in ranges}
    for kernel in kernels:
        # The clocks of the host and of the queue are one.
        assert by_number[kernel["args"]["External id"]]["ts"] <= kernel["ts"]
        assert kernel["dur"] > 0
    ends = [kernel["ts"] + kernel["dur"] for kernel in kernels]
    assert all(end <= kernel["ts"] for end, kernel in zip(ends[:-1], kernels[1:], strict=True))
    assert any(event.get("args") == {"name": "queue of tt:0"} for event in events)


def test_time_on_the_device_is_that_of_its_work():
    """Waiting between two launches is not the device's."""
    if torch.tt.get_device_properties().runtime != "emulated":
        pytest.skip("a simulated chip takes as long as its host")
    with torch.profiler.profile() as profile:
        launch(tokens=32)
        launch(tokens=16384)
    short, long = named(profile, "prepare_mapping")
    assert 0 < short.device_time_total < long.device_time_total


def test_each_device_has_its_own(other_device):
    with torch.profiler.profile() as profile:
        launch()
        with torch.tt.device(other_device):
            launch()
    assert sorted(event.device_index for event in named(profile, "prepare_mapping")) == [0, 1]


def test_launches_are_ranges_where_only_the_cpu_is_asked_for():
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as profile:
        launch()
    (given,) = named(profile, "tt::launch_prepare_mapping")
    assert given.cpu_time_total > 0
    assert given.device_time_total == 0
    assert given.cpu_parent.name == "moe::prepare_mapping"
    assert not named(profile, "prepare_mapping")


@pytest.mark.parametrize("use_kineto", [True, False])
def test_use_device(use_kineto):
    with torch.autograd.profiler.profile(use_device="tt", use_kineto=use_kineto) as profile:
        launch()
    (operator,) = [event for event in profile.function_events if event.name == "moe::prepare_mapping"]
    assert operator.device_time_total > 0
    assert "TT time" in profile.key_averages().table()


@pytest.mark.parametrize("use_kineto", [True, False])
def test_nothing_is_written(use_kineto):
    code = f"""
import torch, torch_moe_ttnn
with torch.autograd.profiler.profile(use_device="tt", use_kineto={use_kineto}) as profile:
    for _ in range(10):
        ids = torch.zeros(8, 1, dtype=torch.int32, device="tt")
        torch.ops.moe.prepare_mapping(ids, torch.ones(8, 1, device="tt"), 16)
        (ids + 1).cpu()
"""
    process = processes.run(code)
    assert process.returncode == 0, process.stderr
    # Kineto says that it starts and stops, whatever is traced.
    assert [line for line in process.stderr.splitlines() if "profiler_st" not in line] == []
    assert process.stdout == ""


def test_a_trace_raises_no_error_of_a_launch():
    """That is left to the next wait for the device."""
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]):
        ids = torch.full((1, 1), 16, device="tt")
        torch.ops.moe.prepare_mapping(ids, torch.ones(1, 1, device="tt"), 16)
    with pytest.raises(IndexError, match="got 16 at"):
        torch.tt.synchronize()


def test_traces_one_after_the_other():
    schedule = torch.profiler.schedule(wait=1, warmup=1, active=2, repeat=2)
    counts = []

    def ready(profile):
        counts.append(len([event for event in profile.events() if event.name == "prepare_mapping"]))

    with torch.profiler.profile(schedule=schedule, on_trace_ready=ready) as profile:
        for _ in range(8):
            launch()
            profile.step()
    assert counts == [2, 2]
