"""The operators on DTensors, over 2 and 4 processes of gloo; of four, on a line and on a square."""

import dtensor_cases
import pytest

from support import processes, ranks

pytestmark = pytest.mark.any_runtime


@pytest.fixture(scope="module", params=[2, 4], ids="{} ranks".format)
def errors(request, tmp_path_factory) -> dict[str, str]:
    """Call all cases in one group, since starting a process takes seconds."""
    return ranks.call_cases(dtensor_cases.__name__, request.param, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("case", ranks.names_of(dtensor_cases.__name__))
def test_case(errors, case):
    assert errors[case] == ""


def test_whichever_is_imported_first():
    """DTensor's module is not imported by ours; the rules are there either way."""
    code = """
        {}
        import os, tempfile
        store = os.path.join(tempfile.mkdtemp(), "store")
        torch.distributed.init_process_group("gloo", init_method=f"file://{{store}}", rank=0, world_size=1)
        mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
        ids = tensor.distribute_tensor(torch.tensor([[1]]), mesh, [tensor.Shard(0)])
        weights = tensor.distribute_tensor(torch.tensor([[2.0]]), mesh, [tensor.Shard(0)])
        print(torch_moe_ttnn.prepare_mapping(ids, weights, 3).to_local().tolist())
        torch.distributed.destroy_process_group()
    """
    ours = "import torch, torch_moe_ttnn, sys; assert 'torch.distributed.tensor' not in sys.modules"
    theirs = "import torch.distributed.tensor as tensor"
    for first, second in ((ours, theirs), (theirs, "import torch, torch_moe_ttnn")):
        lines = (line.strip() for line in code.format(f"{first}\n{second}").splitlines())
        assert processes.output("\n".join(lines)) == "[[0.0, 2.0, 0.0]]"
