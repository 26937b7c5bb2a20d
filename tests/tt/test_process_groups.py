"""``torch.distributed`` with tensors on tt, by way of the host. Two processes, each with a device of its own."""

import os
import subprocess
import sys
import textwrap

import pytest

from support import processes

pytestmark = [
    pytest.mark.any_runtime,
    pytest.mark.skipif(os.environ.get("TORCH_TT_RUNTIME") == "metal", reason="two processes cannot share a chip"),
]

BEGIN = """
import datetime, os, sys, tempfile
import torch
import torch_moe_ttnn
import torch.distributed as dist

rank, store, backend = int(sys.argv[1]), sys.argv[2], sys.argv[3] or None
dist.init_process_group(
    backend,
    init_method=f"file://{store}",
    rank=rank,
    world_size=2,
    timeout=datetime.timedelta(seconds=60),
    device_id=torch.device("tt", rank) if "BOUND" in os.environ else None,
)
"""

END = """
dist.barrier()
dist.destroy_process_group()
"""

CALLS = """
def tensor(*values):
    return torch.tensor(values, dtype=torch.float32, device=device)

def all_reduce(**options):
    x = tensor(1 + rank, 2)
    work = dist.all_reduce(x, **options)
    if work is not None:
        assert work.wait()
        assert work.is_completed()
    return [x]

def future():
    x = tensor(1 + rank, 2)
    return dist.all_reduce(x, async_op=True).get_future().then(lambda done: [each + 1 for each in done.value()]).wait()

def polled():
    x = tensor(1 + rank, 2)
    work = dist.all_reduce(x, async_op=True)
    while not work.is_completed():
        pass
    return [x]

def asked_for_too_early():
    # The result, before the other process has begun.
    x = tensor(1 + rank, 2)
    if rank == 0:
        work = dist.all_reduce(x, async_op=True)
        try:
            work.result()
        except RuntimeError as error:
            assert "completed" in str(error), error
        else:
            raise AssertionError("the result was there before the end")
        dist.distributed_c10d._get_default_store().set(f"asked {device}", "")
        work.wait()
    else:
        dist.distributed_c10d._get_default_store().wait([f"asked {device}"])
        dist.all_reduce(x)
    return [x]

def coalesced():
    x, y = tensor(1 + rank), tensor(2, rank)
    dist.all_reduce_coalesced([x, y])
    return [x, y]

def broadcast():
    x = tensor(1 + rank, 2)
    dist.broadcast(x, 1)
    return [x]

def reduce():
    x = tensor(1 + rank, 2)
    dist.reduce(x, 0, op=dist.ReduceOp.MAX)
    return [x] if rank == 0 else []

def all_gather():
    x = [tensor(0, 0), tensor(0, 0)]
    dist.all_gather(x, tensor(rank, 5))
    return x

def all_gather_into_tensor():
    x = tensor(0, 0, 0, 0)
    dist.all_gather_into_tensor(x, tensor(rank, 5))
    return [x]

def gather():
    x = [tensor(0), tensor(0)] if rank == 0 else None
    dist.gather(tensor(rank), x, 0)
    return x or []

def scatter():
    x = tensor(0)
    dist.scatter(x, [tensor(3), tensor(4)] if rank == 0 else None, 0)
    return [x]

def reduce_scatter():
    x = tensor(0)
    dist.reduce_scatter(x, [tensor(1), tensor(2 + rank)])
    return [x]

def reduce_scatter_tensor():
    x = tensor(0)
    dist.reduce_scatter_tensor(x, tensor(1, 2 + rank))
    return [x]

def all_to_all():
    x = [tensor(0), tensor(0)]
    dist.all_to_all(x, [tensor(rank), tensor(rank + 10)])
    return x

def all_to_all_single():
    x = tensor(0, 0, 0)
    dist.all_to_all_single(
        x, tensor(rank, rank + 10, 7), output_split_sizes=[1, 2] if rank == 0 else [2, 1],
        input_split_sizes=[1, 2] if rank == 0 else [2, 1],
    )
    return [x]

def send():
    x = tensor(7, rank)
    if rank == 0:
        dist.send(x, 1)
    else:
        assert dist.recv(x, 0) == 0
    return [x]

def receive_from_any():
    x = tensor(7, rank)
    if rank == 0:
        dist.send(x, 1)
    else:
        assert dist.recv(x) == 0
    return [x]

def both_ways():
    x, y = tensor(rank, 5), tensor(0, 0)
    for work in (dist.irecv(y, 1 - rank), dist.isend(x, 1 - rank)):
        work.wait()
    return [y]

def batch():
    x, y = tensor(rank, 5), tensor(0, 0)
    for work in dist.batch_isend_irecv([dist.P2POp(dist.isend, x, 1 - rank), dist.P2POp(dist.irecv, y, 1 - rank)]):
        work.wait()
    return [y]

def barrier():
    dist.barrier()
    return []

def objects():
    x = [None, None]
    dist.all_gather_object(x, {"x": tensor(rank)})
    y = [{"a": rank}]
    dist.broadcast_object_list(y, 0, device=torch.device(device))
    assert y == [{"a": 0}]
    return [each["x"] for each in x]

def functional():
    from torch.distributed import _functional_collectives as collectives
    return [collectives.all_reduce(tensor(1, rank), "sum", dist.group.WORLD) + 0]

def inference():
    with torch.inference_mode():
        x = tensor(1 + rank)
        dist.all_reduce(x)
        return [x]

def strided():
    x = torch.arange(6.0, device=device).view(2, 3).t()
    dist.all_reduce(x)
    return [x]

def part_of_a_tensor():
    x = tensor(1, 2, 3, 4)
    dist.all_reduce(x[1:3])
    return [x]

def another_group():
    x = tensor(1 + rank)
    dist.all_reduce(x, group=dist.new_group([0, 1]))
    return [x]

def in_parallel():
    torch.manual_seed(0)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2).to(device))
    model(tensor(1.0, rank).view(1, 2)).sum().backward()
    return [model.module.weight.grad]

calls = [
    all_reduce, lambda: all_reduce(async_op=True), lambda: all_reduce(op=dist.ReduceOp.PRODUCT), future, polled,
    asked_for_too_early, coalesced, broadcast, reduce, all_gather, all_gather_into_tensor, gather, scatter,
    reduce_scatter, reduce_scatter_tensor, all_to_all, all_to_all_single, send, receive_from_any, both_ways, batch,
    barrier, objects, functional, inference, strided, part_of_a_tensor, another_group, in_parallel,
]
for call in calls:
    results = []
    for device in ("cpu", "tt"):
        given = call()
        assert all(each.device.type == device for each in given), (call, given)
        results.append([each.cpu() for each in given])
    expected, given = results
    assert len(given) == len(expected)
    for x, y in zip(given, expected, strict=True):
        assert torch.equal(x, y), (call, given, expected)
    print(len(given))
"""


def run(code: str, tmp_path, backend: str = "cpu:gloo,tt:gloo", **environment: str) -> list[list[str]]:
    """Run the code in two processes, and return the lines that each prints."""
    store = tmp_path / "store"
    ranks = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", BEGIN + textwrap.dedent(code) + END, str(rank), str(store), backend],
            env=os.environ
            | {"TORCH_TT_FALLBACK": "silent", "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
            | environment,
            cwd=os.path.dirname(processes.__file__),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [rank.communicate(timeout=240) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    errors = "\n".join(errors for _, errors in outputs)
    assert [rank.returncode for rank in ranks] == [0, 0], errors
    return [output.splitlines() for output, _ in outputs]


def test_every_call_gives_what_it_gives_on_the_cpu(tmp_path):
    first, second = run(CALLS, tmp_path)
    assert len(first) == len(second) == 29
    assert sum(map(int, first)) > 29


@pytest.mark.parametrize("backend", ["", "gloo", "tt:gloo", "tt:gloo,cpu:gloo"], ids=str)
def test_names_of_backends(tmp_path, backend):
    """A group without a name has the backend of its accelerator."""
    code = """
        for device in ("tt", "cpu"):
            x = torch.full((3,), 1.0 + rank, device=device)
            dist.all_reduce(x)
            dist.barrier()
            print(x.tolist(), x.device.type)
    """
    for lines in run(code, tmp_path, backend):
        assert lines == ["[3.0, 3.0, 3.0] tt", "[3.0, 3.0, 3.0] cpu"]


def test_with_checks_of_what_others_call(tmp_path):
    code = """
        x = torch.full((3,), 1.0 + rank, device="tt")
        dist.all_reduce(x)
        print(x.tolist())
    """
    for lines in run(code, tmp_path, TORCH_DISTRIBUTED_DEBUG="DETAIL"):
        assert lines == ["[3.0, 3.0, 3.0]"]


def test_errors_are_python_errors(tmp_path):
    """What gloo refuses, and an id out of range in a launch before: the process goes on."""
    code = """
        ids = torch.full((1, 1), 16, device="tt")
        bad = torch.ops.moe.prepare_mapping(ids, torch.ones(1, 1, device="tt"), 16)
        try:
            dist.all_reduce(bad)
        except IndexError as error:
            print(str(error).split(",")[0])
        try:
            dist.all_reduce(torch.ones(2, dtype=torch.uint16, device="tt"))
        except RuntimeError as error:
            print(str(error).splitlines()[0])
        x = torch.ones(2, device="tt")
        dist.all_reduce(x)
        print(x.tolist())
    """
    for lines in run(code, tmp_path):
        assert lines[0].startswith("moe::prepare_mapping")
        assert "Invalid scalar type" in lines[1]
        assert lines[2:] == ["[2.0, 2.0]"]


def test_groups_of_a_device(tmp_path):
    """A group that is told its device cannot be split, as gloo's cannot, and says so."""
    code = """
        device = torch.device("tt", rank)
        for group in (None, dist.new_group([0, 1])):
            x = torch.full((2,), 1.0 + rank, device=device)
            dist.all_reduce(x, group=group)
            print(x.tolist(), x.device.index == rank)
        try:
            dist.split_group(split_ranks=[[0, 1]])
        except RuntimeError as error:
            print(error)
    """
    for lines in run(code, tmp_path, "", BOUND="1"):
        assert lines[:2] == ["[3.0, 3.0] True"] * 2
        assert lines[2].endswith("does not support splitting")


def test_meshes_and_fully_sharded_models(tmp_path):
    """The steps of a model in shards are those of the whole one on the CPU."""
    code = """
        import copy
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
        from torch.distributed.tensor import Replicate, Shard, distribute_tensor

        mesh = init_device_mesh("tt", (2,))
        sharded = distribute_tensor(torch.arange(4.0).to("tt"), mesh, [Shard(0)])
        assert (sharded + 1).redistribute(mesh, [Replicate()]).to_local().tolist() == [1, 2, 3, 4]

        torch.manual_seed(0)
        whole = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 4))
        batches = [torch.arange(8.0).view(2, 4) / 8 + r for r in range(2)]

        def steps(model, loss):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for _ in range(3):
                optimizer.zero_grad()
                loss(model).backward()
                optimizer.step()

        model = copy.deepcopy(whole).to("tt")
        for layer in (model[0], model[2], model):
            fully_shard(layer, mesh=mesh)
        older = FullyShardedDataParallel(copy.deepcopy(whole).to("tt"), device_id=torch.tt.current_device())
        for each in (model, older):
            steps(each, lambda model: model(batches[rank].to("tt")).square().mean())
        steps(whole, lambda model: sum(model(batch).square().mean() / 2 for batch in batches))
        for shard, parameter in zip(model.parameters(), whole.parameters(), strict=True):
            assert shard.device.type == "tt"
            torch.testing.assert_close(shard.full_tensor().cpu(), parameter.data)
        with FullyShardedDataParallel.summon_full_params(older):
            for given, parameter in zip(older.parameters(), whole.parameters(), strict=True):
                torch.testing.assert_close(given.cpu().view_as(parameter), parameter.data)
        print("ok")
    """
    assert run(code, tmp_path) == [["ok"], ["ok"]]


def test_checkpoint_of_shards(tmp_path):
    code = """
        import torch.distributed.checkpoint as checkpoint
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.tensor import Shard, distribute_tensor

        mesh = init_device_mesh("tt", (2,))
        folder = os.path.join(os.path.dirname(store), "checkpoint")
        state = {"x": distribute_tensor(torch.arange(6.0).to("tt"), mesh, [Shard(0)])}
        checkpoint.save(state, checkpoint_id=folder)
        loaded = {"x": distribute_tensor(torch.zeros(6).to("tt"), mesh, [Shard(0)])}
        checkpoint.load(loaded, checkpoint_id=folder)
        print(loaded["x"].device.type, loaded["x"].full_tensor().tolist())
    """
    for lines in run(code, tmp_path):
        assert lines == ["tt [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]"]
