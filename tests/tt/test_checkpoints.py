"""``torch.distributed.checkpoint`` of a program that is one process."""

import pytest
import torch
from torch.distributed import checkpoint
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict


def trained(seed: int) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = torch.nn.Linear(3, 3).to("tt")
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3, device="tt")).sum().backward()
    optimizer.step()
    return model, optimizer


def save(state: dict, folder) -> None:
    checkpoint.save(state, checkpoint_id=folder)


def save_later(state: dict, folder) -> None:
    checkpoint.async_save(state, checkpoint_id=folder).result()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("saving", [save, save_later])
def test_save_and_load(tmp_path, saving):
    model, optimizer = trained(seed=0)
    saving(dict(zip(("model", "optimizer"), get_state_dict(model, optimizer), strict=True)), tmp_path)

    other, other_optimizer = trained(seed=1)
    state = dict(zip(("model", "optimizer"), get_state_dict(other, other_optimizer), strict=True))
    checkpoint.load(state, checkpoint_id=tmp_path)
    set_state_dict(other, other_optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
    assert other.weight.device == torch.device("tt:0")
    assert torch.equal(other.weight.cpu(), model.weight.cpu())
    for name in ("exp_avg", "exp_avg_sq"):
        given = other_optimizer.state[other.weight][name]
        assert given.device == torch.device("tt:0")
        assert torch.equal(given.cpu(), optimizer.state[model.weight][name].cpu())
