"""Modules that move to the device and back stay themselves: their parameters are the same objects."""

import pytest
import torch
from torch import nn

DEVICES = [torch.device("tt:0"), torch.device("cpu")]
moves = pytest.mark.parametrize(
    "move",
    [
        lambda module, device: module.to(device),
        lambda module, device: module.cpu() if device.type == "cpu" else module.tt(),
        lambda module, device: module.to(device, non_blocking=True),
        lambda module, device: module._apply(lambda tensor: tensor.to(device)),
    ],
    ids=["to", "tt and cpu", "non_blocking", "_apply"],
)


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))


def trained(device, make_optimizer, **to):
    """Return the parameters after three steps of an optimizer that was made before the module moved."""
    module = model()
    optimizer = make_optimizer(module.parameters())
    module.to(device, **to)
    inputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(1)).to(device, **to)
    for _ in range(3):
        optimizer.zero_grad()
        module(inputs).square().mean().backward()
        optimizer.step()
    return [parameter.detach().cpu() for parameter in module.parameters()]


@moves
def test_parameters_stay_themselves(move):
    module = model()
    before = list(module.parameters())
    for device in DEVICES * 2:
        assert move(module, device) is module
        after = list(module.parameters())
        assert all(a is b for a, b in zip(after, before, strict=True))
        assert all(type(p) is nn.Parameter and p.device == device and p.requires_grad for p in after)
        assert all(buffer.device == device for buffer in module.buffers())


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
        lambda parameters: torch.optim.AdamW(parameters, lr=0.1),
        lambda parameters: torch.optim.Adam(parameters, lr=0.1, foreach=False),
    ],
    ids=["SGD", "AdamW", "single-tensor Adam"],
)
def test_an_optimizer_made_before_trains_the_module(make_optimizer):
    untouched = [parameter.detach() for parameter in model().parameters()]
    actual = trained("tt", make_optimizer)
    assert not any(torch.equal(a, u) for a, u in zip(actual, untouched, strict=True))
    torch.testing.assert_close(actual, trained("cpu", make_optimizer))


def test_with_a_dtype():
    def make_optimizer(parameters):
        return torch.optim.SGD(parameters, lr=0.1)

    expected = trained("cpu", make_optimizer, dtype=torch.float64)
    torch.testing.assert_close(trained("tt", make_optimizer, dtype=torch.float64), expected)


@moves
def test_tied_weights_stay_tied(move):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(10, 4)
            self.head = nn.Linear(4, 10, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, ids):
            return self.head(self.embedding(ids))

    module = Tied()
    for device in DEVICES:
        move(module, device)
        assert module.head.weight is module.embedding.weight
        assert len(list(module.parameters())) == 1
        module.zero_grad()
        module(torch.tensor([1, 2], device=device)).sum().backward()
        assert module.embedding.weight.grad.device == device
        with torch.no_grad():
            module.head.weight.fill_(2)
        assert module.embedding(torch.tensor([3], device=device)).tolist() == [[2, 2, 2, 2]]


@moves
def test_gradients_move_too_and_accumulate(move):
    module = nn.Linear(3, 1, bias=False)
    inputs = torch.arange(3.0)
    for count, device in enumerate(DEVICES * 2, start=1):
        move(module, device)
        module(inputs.to(device)).sum().backward()
        gradient = module.weight.grad
        assert gradient.device == device
        torch.testing.assert_close(gradient.cpu(), count * inputs[None])


@moves
def test_hooks_and_attributes_of_parameters_stay(move):
    module = nn.Linear(2, 1, bias=False)
    module.weight.is_expert = True
    gradients, accumulated = [], []
    module.weight.register_hook(lambda gradient: gradients.append(gradient.device) or gradient * 10)
    module.weight.register_post_accumulate_grad_hook(lambda parameter: accumulated.append(parameter is module.weight))
    for device in DEVICES:
        move(module, device)
        module.zero_grad()
        module(torch.ones(2, device=device)).sum().backward()
        assert module.weight.is_expert
        assert module.weight.grad.tolist() == [[10, 10]]
    assert gradients == DEVICES
    assert accumulated == [True, True]


def test_references_from_elsewhere_stay():
    """Parameters in a list, in a second module and in an optimizer's state are the module's own."""
    module = nn.Linear(2, 2)
    groups = {"decay": [module.weight], "rest": [module.bias]}
    other = nn.ParameterList(module.parameters())
    optimizer = torch.optim.SGD([module.weight], lr=0.1, momentum=0.9)
    module.to("tt")
    assert groups["decay"][0].is_tt
    assert other[0] is module.weight
    module(torch.ones(2, device="tt")).sum().backward()
    optimizer.step()
    assert optimizer.state[module.weight]["momentum_buffer"].is_tt


def test_frozen_and_integer_parameters():
    module = nn.ParameterDict(
        {
            "frozen": nn.Parameter(torch.ones(2), requires_grad=False),
            "ids": nn.Parameter(torch.arange(3), requires_grad=False),
            "empty": nn.Parameter(torch.empty(0)),
            "scalar": nn.Parameter(torch.tensor(2.0)),
        }
    )
    before = dict(module)
    for device in DEVICES:
        module.to(device)
        for name, parameter in before.items():
            assert module[name] is parameter
            assert parameter.device == device
            assert parameter.requires_grad == (name in ("empty", "scalar"))
        assert module["ids"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("lazy", ["moved before", "moved after"])
def test_lazy_modules(lazy):
    module = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    before = list(module.parameters())
    inputs = torch.ones(2, 4)
    if lazy == "moved before":
        module.to("tt")(inputs.to("tt"))
    else:
        module(inputs)
        module.to("tt")(inputs.to("tt"))
    assert all(a is b for a, b in zip(module.parameters(), before, strict=True))
    assert all(parameter.is_tt for parameter in module.parameters())
    assert module[0].weight.shape == (3, 4)


def test_data_of_another_device():
    parameter = nn.Parameter(torch.zeros(2, 3))
    on_device = torch.arange(4.0, device="tt")[1:]
    parameter.data = on_device
    assert type(parameter) is nn.Parameter
    assert parameter.is_leaf
    assert parameter.tolist() == [1, 2, 3]
    assert parameter.data_ptr() == on_device.data_ptr()
    on_device.fill_(5)
    assert parameter.tolist() == [5, 5, 5]
    parameter.square().sum().backward()
    assert parameter.grad.tolist() == [10, 10, 10]
    parameter.grad = None
    parameter.data = torch.ones(1)
    assert (parameter.device.type, parameter.tolist()) == ("cpu", [1])
    parameter.square().sum().backward()
    assert parameter.grad.device.type == "cpu"


def test_data_of_a_plain_tensor():
    tensor = torch.zeros(2)
    view = tensor[:1]
    tensor.data = torch.ones(3, dtype=torch.int64, device="tt")
    assert (tensor.device.type, tensor.dtype, tensor.tolist()) == ("tt", torch.int64, [1, 1, 1])
    assert view.tolist() == [0]


def test_data_of_a_second_device(other_device):
    module = nn.Linear(2, 2).to("tt:0")
    before = list(module.parameters())
    module.to(other_device)
    assert all(a is b and a.device == other_device for a, b in zip(module.parameters(), before, strict=True))


@pytest.mark.parametrize("make", [lambda: torch.ones(2, device="meta"), lambda: torch.eye(2).to_sparse()])
def test_data_of_another_kind_is_refused(make):
    for parameter, data in ((nn.Parameter(torch.ones(2, device="tt")), make()), (make(), torch.ones(2, device="tt"))):
        with pytest.raises(RuntimeError, match="incompatible tensor type"):
            parameter.data = data


def test_from_meta():
    module = nn.Linear(2, 2, device="meta").to_empty(device="tt")
    assert module.weight.is_tt
    state = nn.Linear(2, 2).state_dict()
    module.load_state_dict(state)
    assert torch.equal(module.weight.cpu(), state["weight"])


@pytest.mark.parametrize("setting", ["overwrite", "swap"])
def test_torch_future_is_heard(setting):
    """A program may ask for new parameters, or for the same ones by swapping; nothing changes its choice."""
    ask = getattr(torch.__future__, f"get_{setting}_module_params_on_conversion")
    choose = getattr(torch.__future__, f"set_{setting}_module_params_on_conversion")
    assert not ask()
    choose(True)
    try:
        module = nn.Linear(2, 2)
        before = module.weight
        module.to("tt")
        assert module.weight.is_tt
        assert (module.weight is before) == (setting == "swap")
    finally:
        choose(False)


def test_load_state_dict_fills_the_parameters_in_place():
    module = nn.Linear(2, 2).to("tt")
    weight, address = module.weight, module.weight.data_ptr()
    state = nn.Linear(2, 2).state_dict()
    module.load_state_dict(state)
    assert module.weight is weight
    assert weight.data_ptr() == address
    assert torch.equal(weight.cpu(), state["weight"])


def test_an_optimizer_that_was_loaded_before():
    module = model()
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.randn(6, 4)).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    module.to("tt")
    optimizer.load_state_dict(state)
    assert all(s["exp_avg"].is_tt for s in optimizer.state.values())
    module.zero_grad()
    module(torch.randn(6, 4, device="tt")).sum().backward()
    optimizer.step()


@pytest.mark.parametrize(
    "parametrize", [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm]
)
def test_parametrized(parametrize):
    module = parametrize(nn.Linear(4, 3))
    inputs = torch.randn(2, 4)
    module.eval()
    expected = module(inputs)
    before = list(module.parameters())
    module.to("tt")
    assert all(a is b for a, b in zip(module.parameters(), before, strict=True))
    torch.testing.assert_close(module(inputs.to("tt")).cpu(), expected)
