"""``_C.pyi`` names what the built ``_C`` has, and nothing else."""

import ast
from pathlib import Path

import torch_moe_ttnn
from torch_moe_ttnn import _C


def names_in_stub(nodes) -> dict:
    """Return the names that a stub defines; a class leads to those in it."""
    names = {}
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            names[node.name] = names_in_stub(node.body)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            names[node.name] = None
        elif isinstance(node, ast.AnnAssign):
            names[node.target.id] = None
    return names


def names_in(built) -> dict:
    """Return the public names that a built module or class has, like ``names_in_stub``."""
    members = {name: getattr(built, name) for name in dir(built) if not name.startswith("_")}
    return {n: names_in(m) if isinstance(m, type | type(_C)) else None for n, m in members.items()}


def test_the_stub_names_what_is_built():
    stub = Path(torch_moe_ttnn.__file__).with_name("_C.pyi")
    assert names_in_stub(ast.parse(stub.read_text()).body) == names_in(_C)
