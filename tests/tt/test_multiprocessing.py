"""Tensors that go from one process to another: copies, by way of the host."""

import pytest

from support.processes import output_of_script


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
