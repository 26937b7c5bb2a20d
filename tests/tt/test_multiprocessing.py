"""Tensors that go from one process to another: copies, by way of the host."""

import pytest

from support.processes import output_of_script

# What travels goes by way of the host. A process of this machine with a simulated chip has no room for another one's.
pytestmark = pytest.mark.any_runtime


def test_there_and_back(tmp_path):
    code = """
    import torch, torch_moe_ttnn, torch.multiprocessing as mp

    def work(inbox, outbox):
        for tensor in iter(inbox.get, None):
            outbox.put(tensor)

    def describe(tensor):
        return type(tensor).__name__, str(tensor.device), tensor.requires_grad, tensor.stride(), tensor.tolist()

    if __name__ == "__main__":
        context = mp.get_context("spawn")
        inbox, outbox = context.Queue(), context.Queue()
        process = context.Process(target=work, args=(inbox, outbox))
        process.start()
        matrix = torch.arange(6.0, device="tt").reshape(2, 3)
        parameter = torch.nn.Parameter(torch.ones(2, device="tt"))
        for tensor in (matrix, matrix.t(), matrix[1, 1:], torch.empty(0, 3, device="tt"), parameter,
                       parameter.detach().requires_grad_(), torch.ones(2)):
            inbox.put(tensor)
            back = outbox.get(timeout=60)
            assert describe(back) == describe(tensor), (describe(back), describe(tensor))
        back.fill_(7)
        inbox.put(None)
        process.join()
        print("done")
    """
    assert output_of_script(tmp_path, code) == "done"


def test_part_of_a_graph(tmp_path):
    """PyTorch's own error, as on every device."""
    code = """
    import torch, torch_moe_ttnn
    from multiprocessing.reduction import ForkingPickler
    tensor = torch.ones(2, device="tt", requires_grad=True) * 2
    try:
        ForkingPickler.dumps(tensor)
    except RuntimeError as error:
        print(error)
    """
    assert "non-leaf tensor which requires_grad" in output_of_script(tmp_path, code)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_data_loader_workers_that_return_tensors_on_tt(tmp_path, method):
    """Each has opened the device for itself; the parent opens it when the first tensor arrives."""
    code = f"""
    import torch, torch_moe_ttnn

    class Squares(torch.utils.data.Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            return torch.full((2,), index * index, device="tt")

    if __name__ == "__main__":
        loader = torch.utils.data.DataLoader(
            Squares(), batch_size=4, num_workers=2, multiprocessing_context={method!r}, timeout=60
        )
        for batch in loader:
            print(batch.device, batch[:, 0].tolist())
    """
    assert output_of_script(tmp_path, code).splitlines() == ["tt:0 [0, 1, 4, 9]", "tt:0 [16, 25, 36, 49]"]


@pytest.mark.usefixtures("room_to_fork")
def test_data_loader_workers_forked_with_the_device_open(tmp_path):
    """An error from the worker, which ends the loop."""
    code = """
    import torch, torch_moe_ttnn
    loader = torch.utils.data.DataLoader(
        torch.arange(8, device="tt"), batch_size=4, num_workers=1, multiprocessing_context="fork", timeout=60
    )
    try:
        next(iter(loader))
    except RuntimeError as error:
        print(error)
    """
    assert "Cannot use tt devices in a forked subprocess" in output_of_script(tmp_path, code)


ARGUMENTS = """
    import sys, torch, torch_moe_ttnn, torch.multiprocessing as mp

    class Subclass(torch.Tensor):
        pass

    class Squares(torch.utils.data.Dataset):
        def __init__(self, numbers):
            self.numbers = numbers

        def __len__(self):
            return len(self.numbers)

        def __getitem__(self, index):
            return self.numbers[index] ** 2

    def describe(value):
        if isinstance(value, torch.nn.Module):
            return [(name, describe(part)) for name, part in value.state_dict(keep_vars=True).items()]
        if isinstance(value, torch.UntypedStorage):
            return type(value).__name__, str(value.device), value.cpu().tolist()
        return type(value).__name__, str(value.device), value.dtype, value.requires_grad, value.tolist()

    def work(rank, values, expected):
        for value, line in zip(values, expected, strict=True):
            assert describe(value) == line, (rank, describe(value), line)
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("strategy", ["file_descriptor", "file_system"])
def test_arguments_of_a_process(tmp_path, method, strategy):
    """They are pickled before the process is there, by when nothing of the parent may hold them but the message."""
    code = f"""
    {ARGUMENTS}
    if __name__ == "__main__":
        mp.set_sharing_strategy({strategy!r})
        tensor = torch.arange(6.0, device="tt").reshape(2, 3)
        model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).to("tt")
        values = [
            tensor, tensor.t(), tensor[:, 1:], tensor[0].expand(4, 3), tensor.bfloat16(), torch.empty(0, device="tt"),
            torch.tensor(3, device="tt"), tensor.as_subclass(Subclass), torch.nn.Buffer(tensor),
            torch.nn.Parameter(tensor), torch.nn.Parameter(tensor, False), tensor.untyped_storage(), model,
            torch.ones(2),
        ]
        arguments = values, [describe(value) for value in values]
        process = mp.get_context({method!r}).Process(target=work, args=(0, *arguments))
        process.start()
        process.join()
        assert process.exitcode == 0
        mp.start_processes(work, arguments, nprocs=2, start_method={method!r})
        print("done")
    """
    assert output_of_script(tmp_path, code) == "done"


@pytest.mark.parametrize("strategy", ["file_descriptor", "file_system"])
def test_a_data_set_on_tt_goes_to_workers(tmp_path, strategy):
    code = f"""
    {ARGUMENTS}
    if __name__ == "__main__":
        mp.set_sharing_strategy({strategy!r})
        squares = Squares(torch.arange(4.0, device="tt"))
        loader = torch.utils.data.DataLoader(
            squares, batch_size=2, num_workers=2, multiprocessing_context="spawn", timeout=60
        )
        print([batch.tolist() for batch in loader])
    """
    assert output_of_script(tmp_path, code) == "[[0.0, 1.0], [4.0, 9.0]]"


def test_an_argument_that_is_tied_stays_so(tmp_path):
    code = f"""
    {ARGUMENTS}
    def are_tied(model):
        assert model[0].weight is model[1].weight

    if __name__ == "__main__":
        model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)).to("tt")
        model[1].weight = model[0].weight
        process = mp.get_context("spawn").Process(target=are_tied, args=(model,))
        process.start()
        process.join()
        print(process.exitcode)
    """
    assert output_of_script(tmp_path, code) == "0"
