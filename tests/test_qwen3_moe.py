"""The example: transformers' Qwen3-MoE, its experts computed by ``torch_moe_ttnn.transformers``."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

import torch_moe_ttnn
from support.checks import assert_matches_reference
from support.operators import GROUPING

pytest.importorskip("transformers", reason="it comes with the test extra")
import qwen3_moe

pytestmark = pytest.mark.any_runtime


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16], ids=str)
def model(request, device):
    return qwen3_moe.build_model(dtype=request.param).to(device)


@pytest.fixture(scope="module")
def input_ids(device):
    return torch.randint(512, (2, 100), generator=torch.Generator().manual_seed(1)).to(device)


@pytest.fixture(scope="module")
def unrounded(device):
    """The model in float32.

    In bfloat16 another order of a sum changes what the next layer's router picks, as it does in transformers' own
    computations of experts, which differ from each other by as much.
    """
    return qwen3_moe.build_model().to(device)


def test_a_compiled_model(unrounded, input_ids, backend):
    """The sparse blocks are one graph for all layers and lengths, and the logits are the unmodified model's."""
    compiled = copy.deepcopy(unrounded)
    counter = CompileCounterWithBackend(backend)
    qwen3_moe.compile_sparse_blocks(compiled, counter)
    for inputs in (input_ids, input_ids[:, :33]):
        actual = qwen3_moe.logits(compiled, inputs, qwen3_moe.IMPLEMENTATION)
        expected = qwen3_moe.logits(unrounded, inputs, "eager")
        # Logits go up to 10.
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)
    (graph,) = counter.graphs
    assert len(graph.graph.find_nodes(op="call_function", target=GROUPING.overload)) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_compiled_block(dtype, device, backend):
    """In bfloat16 too, a block by itself; on any device, what the unmodified block computes on the CPU."""
    model = qwen3_moe.build_model(dtype=dtype)
    block = model.model.layers[0].mlp
    inputs = torch.randn(2, 50, 128, generator=torch.Generator().manual_seed(0)).to(dtype)
    with torch.inference_mode():
        model.set_experts_implementation("eager")
        expected = block(inputs)
        model.set_experts_implementation(qwen3_moe.IMPLEMENTATION)
        block.to(device).compile(fullgraph=True, dynamic=True, backend=backend)
        actual = block(inputs.to(device)).cpu()
    tolerance = {torch.float32: 1e-6, torch.bfloat16: 2e-2}[dtype] * expected.abs().max().item()
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


def test_logits_depend_on_the_experts(model, input_ids):
    """The comparison above would see experts that are wrong: their share of the logits is not small."""
    expected = qwen3_moe.logits(model, input_ids, "eager")
    first_layer = model.model.layers[0].mlp.experts.down_proj
    kept = first_layer.detach().clone()
    try:
        with torch.no_grad():
            first_layer.zero_()
        without = qwen3_moe.logits(model, input_ids, "eager")
    finally:
        with torch.no_grad():
            first_layer.copy_(kept)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(without, expected)


def test_recorded_choices(operator, device, model, input_ids):
    """What the routers of a real model hand out is an input like any other."""
    with torch_moe_ttnn.record_choices(model) as recorder:
        qwen3_moe.logits(model, input_ids, qwen3_moe.IMPLEMENTATION)
    assert len(recorder.layers) == model.config.num_hidden_layers
    for layer in recorder.layers:
        ids, weights = recorder.choices(layer)
        assert ids.shape == weights.shape == (200, 8)
        assert_matches_reference(operator, device, ids, weights, model.config.num_experts)


def test_compiled_as_a_program(device, backend, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["qwen3_moe.py", "--tokens", "40", "--compile", "--device", str(device)])
    assert qwen3_moe.main() == 0
    assert "logits (2, 40, 512): largest difference" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "tt:99"], "--device tt:99: expected the index of a tt device"),
        (
            ["--record", "/no/such/folder/choices.safetensors"],
            "--record /no/such/folder/choices.safetensors: ",
        ),
    ],
)
def test_mistakes_are_said_in_a_line(monkeypatch, capsys, arguments, said):
    monkeypatch.setattr(sys, "argv", ["qwen3_moe.py", *arguments])
    with pytest.raises(SystemExit) as exited:
        qwen3_moe.main()
    assert exited.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(said)


def test_without_transformers(tmp_path):
    (tmp_path / "transformers.py").write_text("raise ModuleNotFoundError(\"No module named 'transformers'\")")
    example = subprocess.run(
        [sys.executable, qwen3_moe.__file__],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert example.returncode == 1
    (line,) = example.stderr.splitlines()
    assert 'install it with pip install "torch_moe_ttnn[transformers]"' in line


def test_as_a_program(tmp_path, device):
    path = tmp_path / "choices.safetensors"
    script = Path(qwen3_moe.__file__)
    example = subprocess.run(
        [sys.executable, script, "--tokens", "40", "--record", path, "--layer", "2", "--device", str(device)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "logits (2, 40, 512): largest difference" in example.stdout
    main_job = subprocess.run(
        [sys.executable, "-m", "torch_moe_ttnn", "--input", path, "--device", str(device)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "128 experts, choices (80, 8)" in main_job.stdout
