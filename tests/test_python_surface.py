"""What `import torch_moe_ttnn` offers."""

import doctest
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import _torch_moe_ttnn_autoload
import torch_moe_ttnn
from support.checks import assert_same_bits
from support.operators import as_tuple
from torch_moe_ttnn import _balance, _router, ops
from torch_moe_ttnn.testing import make_choices


def test_wrappers_do_what_the_operators_do(operator, device):
    ids, weights = (tensor.to(device) for tensor in make_choices(9, 4, 16))
    assert_same_bits(as_tuple(operator.wrapper(ids, weights, 16)), operator(ids, weights, 16))
    assert_same_bits(
        as_tuple(operator.wrapper(selected_experts=ids, routing_weights=weights, num_experts=16)),
        operator(ids, weights, 16),
    )


def test_routing_has_names():
    routing = torch_moe_ttnn.prepare_routing(*make_choices(9, 4, 16), 16)
    assert isinstance(routing, torch_moe_ttnn.Routing)
    assert routing._fields == ("num_routed_tokens", "routed_tokens", "routed_token_weights")


def test_schemas():
    choices = "Tensor selected_experts, Tensor routing_weights, SymInt num_experts"
    expected = {
        "prepare_mapping": f"({choices}, *, Tensor? local_experts=None) -> Tensor",
        "prepare_routing": f"({choices}, *, Tensor? local_experts=None, SymInt? max_tokens=None) -> "
        "(Tensor num_routed_tokens, Tensor routed_tokens, Tensor routed_token_weights)",
        "prepare_grouping": f"({choices}, *, Tensor? local_experts=None, SymInt alignment=1, SymInt? max_tokens=None)"
        " -> (Tensor group_sizes, Tensor group_offsets, Tensor grouped_tokens, Tensor grouped_weights, "
        "Tensor positions)",
        "permute": "(Tensor hidden, Tensor grouped_tokens) -> Tensor",
        "unpermute": "(Tensor expert_outputs, Tensor routing_weights, Tensor positions) -> Tensor",
    }
    for name, schema in expected.items():
        assert str(getattr(torch.ops.moe, name).default._schema) == f"moe::{name}{schema}"


@pytest.mark.parametrize(
    ("module", "least"), [(ops, 8), (_router, 4), (_balance, 5)], ids=["ops", "_router", "_balance"]
)
def test_the_examples_in_the_docstrings(module, least):
    result = doctest.testmod(module, extraglobs={"torch_moe_ttnn": torch_moe_ttnn})
    assert result.attempted >= least
    assert result.failed == 0


def test_the_fields_of_named_tuples_are_documented():
    named_tuples = (
        (torch_moe_ttnn.Routing, "E_padded"),
        (torch_moe_ttnn.Grouping, "int32|dtype"),
        (torch_moe_ttnn.LoadBalance, "^(int64|float32): "),
    )
    for named, words in named_tuples:
        assert all(re.search(words, getattr(named, field).__doc__) for field in named._fields)


def test_offs():
    """What grouped_mm takes."""
    grouping = torch_moe_ttnn.prepare_grouping(*make_choices(9, 4, 16), 16)
    assert torch.equal(grouping.offs, grouping.group_sizes.cumsum(0).to(torch.int32))


@pytest.mark.parametrize(
    "function",
    [torch_moe_ttnn.prepare_mapping, torch_moe_ttnn.prepare_routing, torch_moe_ttnn.prepare_grouping],
)
def test_shared_text_is_filled_in(function):
    assert "{" not in function.__doc__
    assert "uint16, uint32, int32 or int64" in function.__doc__


@pytest.mark.parametrize(("num_experts", "rows"), [(1, 32), (32, 32), (33, 64), (2**32 - 1, 2**32)])
def test_padded_num_experts(num_experts, rows):
    assert torch_moe_ttnn.padded_num_experts(num_experts) == rows


def test_import_starts_nothing_it_does_not_need():
    """Importing the package costs little beside importing torch."""
    code = "import torch, sys; before = set(sys.modules); import torch_moe_ttnn; print(*set(sys.modules) - before)"
    environment = os.environ | {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
    imported = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    ).stdout.split()
    assert "torch_moe_ttnn" in imported
    assert not {name.partition(".")[0] for name in imported} & {"transformers", "safetensors", "numpy", "sympy"}
    assert not {"torch._inductor", "torch.distributed.tensor", "torch_moe_ttnn.distributed"} & set(imported)


def import_copy(folder: Path) -> str:
    """Return what Python says when it imports the package in the folder."""
    command = [sys.executable, "-c", "import torch_moe_ttnn"]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    return process.stderr[process.stderr.index("ImportError: torch_moe_ttnn could not load") :]


@pytest.fixture
def copy(tmp_path) -> Path:
    """Return a folder with the package's Python files alone, and an empty one for those that are compiled."""
    (tmp_path / "torch_moe_ttnn" / BUILT).mkdir(parents=True)
    for source in Path(torch_moe_ttnn.__file__).parent.glob("*.py"):
        (tmp_path / "torch_moe_ttnn" / source.name).write_text(source.read_text())
    (tmp_path / "torch_moe_ttnn" / "_C.pyi").touch()  # no build
    # `import torch` looks for it, wherever it finds the package's metadata.
    autoload = Path(_torch_moe_ttnn_autoload.__file__)
    (tmp_path / autoload.name).write_text(autoload.read_text())
    return tmp_path


def test_a_missing_library_is_explained(copy):
    error = import_copy(copy)
    assert "Likely cause: " in error
    assert "holds no compiled extension" in error
    assert "another torch" not in error
    assert f"Running: torch {torch.__version__}, {sys.implementation.cache_tag} on {platform.system()}" in error


BINDINGS = Path(torch_moe_ttnn._C.__file__)
LIBRARY = Path(torch_moe_ttnn.library_path())
BUILT = LIBRARY.parent.relative_to(Path(torch_moe_ttnn.__file__).parent)


def test_missing_bindings_are_explained(copy):
    shutil.copy(LIBRARY, copy / "torch_moe_ttnn" / BUILT)
    error = import_copy(copy)
    assert f"holds {LIBRARY.name} but not _C, its bindings for Python: reinstall torch_moe_ttnn" in error
    assert f"Built: {LIBRARY.name}." in error


def test_bindings_without_their_library_are_explained(copy):
    shutil.copy(BINDINGS, copy / "torch_moe_ttnn" / BUILT)
    error = import_copy(copy)
    assert f"{LIBRARY.name}: cannot open shared object file" in error
    assert f"holds no {LIBRARY.name}, which {BINDINGS.name} links: reinstall torch_moe_ttnn" in error
    assert f"Built: {BINDINGS.name}." in error


@pytest.mark.parametrize("damaged", [BINDINGS, LIBRARY], ids=["bindings", "library"])
def test_a_file_that_does_not_load_is_explained(copy, damaged):
    for file in (BINDINGS, LIBRARY):
        shutil.copy(file, copy / "torch_moe_ttnn" / BUILT)
    (copy / "torch_moe_ttnn" / BUILT / damaged.name).write_text("not a library")
    error = import_copy(copy)
    assert f"{damaged.name}: file too short" in error or f"{damaged.name}: invalid ELF header" in error
    assert "a file is damaged" in error
    assert f"Built: {BINDINGS.name}, {LIBRARY.name}." in error


def test_files_for_another_torch_are_not_loaded(copy):
    built = copy / "torch_moe_ttnn" / BUILT
    for folder in (built.parents[1], built):
        # Where they once were, and where others are.
        (folder / BINDINGS.name).write_text("not a library")
    built.rename(built.with_name("torch_2_12_0_cpython_311"))
    error = import_copy(copy)
    assert f"there is no {built}" in error
    assert (
        "Likely cause: it was built for another torch or Python than those that run: reinstall torch_moe_ttnn" in error
    )
    assert "Built: torch_2_12_0_cpython_311." in error
    (copy / "setup.py").touch()
    assert f"than those that run: run `pip install -e .` in {copy} with these, or start" in import_copy(copy)


def test_a_source_tree_without_a_build_is_explained(copy):
    """The usual mistake: `pip install .`, and then Python started in the clone."""
    (copy / "torch_moe_ttnn" / BUILT).rmdir()
    (copy / "setup.py").touch()
    assert "source tree in which nothing was built: run `pip install -e .`" in import_copy(copy)
