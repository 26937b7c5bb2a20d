"""A program that never names tt behaves as it does where the package is not installed."""

import textwrap

import pytest

from support import processes

pytestmark = [
    pytest.mark.any_runtime,
    # PyTorch's own, of its own parts.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    processes.no_card,
]

# Each says what it did; an exception is an answer too.
PROGRAM = textwrap.dedent(
    """
    import contextlib, io, multiprocessing.reduction, os, pickle, sys, tempfile, warnings
    warnings.simplefilter("ignore")
    os.environ.update(MASTER_ADDR="127.0.0.1", RANK="0", WORLD_SIZE="1", LOCAL_RANK="0")
    import torch, torch.distributed as dist, torch.distributed.checkpoint, torch.distributed.fsdp
    from torch.distributed.device_mesh import init_device_mesh

    folder = tempfile.mkdtemp()
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5))

    def group():
        dist.init_process_group(store=dist.FileStore(os.path.join(folder, "store"), 1), rank=0, world_size=1)
        ones = torch.ones(2)
        dist.all_reduce(ones)
        return dist.get_backend_config(), dist.get_backend(), ones.tolist()

    def checkpoint():
        state = {"weight": torch.arange(4.0)}
        torch.distributed.checkpoint.save(state, checkpoint_id=os.path.join(folder, "checkpoint"))
        state["weight"].zero_()
        torch.distributed.checkpoint.load(state, checkpoint_id=os.path.join(folder, "checkpoint"))
        return state["weight"].tolist()

    def async_checkpoint():
        path = os.path.join(folder, "async")
        torch.distributed.checkpoint.async_save({"weight": torch.arange(4.0)}, checkpoint_id=path).result()
        return sorted(os.listdir(path))

    def sharded():
        mesh = init_device_mesh("cpu", (1,))
        sharded = torch.distributed.fsdp.fully_shard(torch.nn.Linear(2, 2), mesh=mesh)
        sharded(torch.ones(1, 2)).sum().backward()
        return sorted(name for name, parameter in sharded.named_parameters() if parameter.grad is not None)

    def without_a_mesh():
        return type(torch.distributed.fsdp.fully_shard(torch.nn.Linear(2, 2))).__name__

    def parallel():
        return torch.nn.DataParallel(torch.nn.Identity())(torch.ones(2)).tolist()

    def distributed_parallel():
        return torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2, bias=False)).device_type

    def loader():
        data = torch.utils.data.DataLoader(torch.arange(4), batch_size=2, num_workers=1, pin_memory=True)
        return [batch.tolist() for batch in data]

    def profile():
        with torch.profiler.profile() as profile:
            torch.ones(2).add_(1)
        return sorted({event.key for event in profile.key_averages()}), len(torch.profiler.supported_activities())

    def scaler():
        return torch.amp.GradScaler().is_enabled()

    def compiled():
        return torch.compile(lambda x: x * 2, backend="aot_eager", fullgraph=True)(torch.ones(2)).tolist()

    def randoms():
        torch.manual_seed(0)
        with torch.random.fork_rng():
            torch.rand(2)
        recomputed = torch.utils.checkpoint.checkpoint(model, torch.ones(1, 2), use_reentrant=False)
        return torch.rand(2).tolist(), recomputed.shape

    def ours(names):
        return sorted(name for name in names if "torch_moe_ttnn" in name and "editable" not in name)

    QUESTIONS = dict(
        accelerator=lambda: (torch.accelerator.is_available(), torch.accelerator.current_accelerator()),
        group=group, checkpoint=checkpoint, async_checkpoint=async_checkpoint, sharded=sharded,
        without_a_mesh=without_a_mesh, parallel=parallel, distributed_parallel=distributed_parallel, loader=loader,
        profile=profile, scaler=scaler, compiled=compiled, randoms=randoms,
        default_mesh=lambda: str(init_device_mesh(torch._C._get_accelerator().type, (1,))),
        the_place=torch._C._get_privateuse1_backend_name,
        a_device=lambda: torch.device("tt"),
        finders=lambda: ours(map(repr, sys.meta_path)),
        printing=lambda: (torch._tensor_str._tensor_str.__module__, repr(torch.ones(2))),
        sending=lambda: multiprocessing.reduction.ForkingPickler._extra_reducers[torch.Tensor].__module__,
        modules=lambda: ours(sys.modules),
    )
    for name, ask in QUESTIONS.items():
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                answer = ask()
            except Exception as error:
                answer = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        print(f"{name}: {answer!r}")
    """
)


def answers(**environment: str | None) -> dict[str, str]:
    process = processes.run(PROGRAM, TORCH_TT_RUNTIME=None, TT_METAL_SIMULATOR=None, **environment)
    assert process.returncode == 0, process.stderr
    return dict(line.partition(": ")[::2] for line in process.stdout.splitlines())


def test_installed_and_not():
    """All that `import torch` sees of an installed package is the entry point that autoloading looks for."""
    installed, without = answers(), answers(TORCH_DEVICE_BACKEND_AUTOLOAD="0")
    assert (installed.pop("modules"), without.pop("modules")) == ("['_torch_moe_ttnn_autoload']", "[]")
    assert installed == without
    # The questions were understood.
    assert installed["checkpoint"] == "[0.0, 1.0, 2.0, 3.0]"
    assert installed["sharded"] == "['bias', 'weight']"
    assert "gloo" in installed["group"]
