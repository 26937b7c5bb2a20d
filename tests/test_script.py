"""The typed wrappers in TorchScript."""

import io

import pytest
import torch

import torch_moe_ttnn

pytestmark = pytest.mark.filterwarnings("ignore")

IDS = torch.tensor([[0, 1], [2, 3], [1, 0]])
WEIGHTS = torch.tensor([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
LOCAL = torch.tensor([1, 3])


def mapping(ids: torch.Tensor, weights: torch.Tensor, local: torch.Tensor | None = None) -> torch.Tensor:
    return torch_moe_ttnn.prepare_mapping(ids, weights, 4, local_experts=local)


def routing(ids: torch.Tensor, weights: torch.Tensor, local: torch.Tensor | None = None) -> list[torch.Tensor]:
    counts, tokens, routed = torch_moe_ttnn.prepare_routing(ids, weights, 4, local_experts=local, max_tokens=3)
    return [counts, tokens, routed]


def grouping(ids: torch.Tensor, weights: torch.Tensor, local: torch.Tensor | None = None) -> list[torch.Tensor]:
    sizes, offsets, tokens, grouped, positions = torch_moe_ttnn.prepare_grouping(
        ids, weights, 4, local_experts=local, alignment=2
    )
    rows = torch_moe_ttnn.permute(weights, tokens)
    return [sizes, offsets, tokens, grouped, positions, torch_moe_ttnn.unpermute(rows, weights, positions)]


@pytest.mark.parametrize("local", [None, LOCAL], ids=["all", "local"])
@pytest.mark.parametrize("function", [mapping, routing, grouping])
def test_functions_that_call_them(function, local):
    scripted = torch.jit.script(function)
    torch.testing.assert_close(scripted(IDS, WEIGHTS, local), function(IDS, WEIGHTS, local), rtol=0, atol=0)
    assert f"ops.moe.prepare_{function.__name__}" in scripted.code


class Mapping(torch.nn.Module):
    def forward(self, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return torch_moe_ttnn.prepare_mapping(ids, weights, 4)


def test_modules_and_saved_programs():
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(Mapping()), file)
    file.seek(0)
    assert torch.equal(torch.jit.load(file)(IDS, WEIGHTS), mapping(IDS, WEIGHTS))


def test_errors_are_the_operators():
    scripted = torch.jit.script(mapping)
    with pytest.raises(Exception, match="moe::prepare_mapping: expected"):
        scripted(IDS, WEIGHTS[:1])


@pytest.mark.parametrize(
    "name", ["prepare_mapping", "prepare_routing", "prepare_grouping", "permute", "unpermute", "grouped_linear"]
)
def test_a_wrapper_itself_says_what_to_script(name):
    with pytest.raises(RuntimeError, match=rf"script a function that calls it or torch\.ops\.moe\.{name}$") as error:
        torch.jit.script(getattr(torch_moe_ttnn, name))
    assert "\n" not in str(error.value)
