"""A Mixture-of-Experts layer as a package of AOTInductor, run from Python and from C++.

The layer is exported for any number of tokens, router, operator and experts, and compiled into one file, which needs
the model's Python code no longer: only ``libtorch_moe_ttnn.so``, in which the operators are. The C++ program links
PyTorch and neither Python nor ``torch_python``.

    python examples/aot_inductor.py
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils import cpp_extension

import torch_moe_ttnn

RUNNER = Path(__file__).with_name("run_package.cpp")


class Layer(nn.Module):
    """A router, and experts of two matrices each."""

    def __init__(self, hidden: int = 64, inner: int = 32, num_experts: int = 32, top_k: int = 4):
        """Make a layer with random parameters, of which a token takes ``top_k`` experts."""
        super().__init__()
        self.top_k = top_k
        self.router = nn.Linear(hidden, num_experts, bias=False)
        self.up = nn.Parameter(torch.randn(num_experts, hidden, inner) / inner**0.5)
        self.down = nn.Parameter(torch.randn(num_experts, inner, hidden) / hidden**0.5)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return (T, hidden): for each token the weighted sum of its experts' outputs."""
        weights, experts = torch.topk(torch.softmax(self.router(hidden_states), dim=-1), self.top_k)
        mapping = torch_moe_ttnn.prepare_mapping(experts, weights, self.up.shape[0])
        return torch.einsum("te,eth->th", mapping, torch.relu(hidden_states @ self.up) @ self.down)


def build_package(layer: Layer, path: Path) -> None:
    """Export a layer for any number of tokens, and compile it into a file."""
    example = torch.randn(8, layer.up.shape[1])
    with torch.no_grad():
        program = torch.export.export(layer, (example,), dynamic_shapes=({0: torch.export.Dim("T")},))
        torch._inductor.aoti_compile_and_package(program, package_path=str(path))


def build_runner(path: Path) -> None:
    """Compile the C++ program that runs a package."""
    libraries = cpp_extension.library_paths()
    subprocess.run(
        [
            *("g++", "-std=c++20", "-O1", str(RUNNER), "-o", str(path)),
            *(f"-I{include}" for include in cpp_extension.include_paths()),
            *(flag for library in libraries for flag in (f"-L{library}", f"-Wl,-rpath,{library}")),
            *("-ltorch", "-ltorch_cpu", "-lc10"),
        ],
        check=True,
    )


def run(runner: Path, package: Path, inputs: list[Tensor], folder: Path) -> tuple[Tensor, ...]:
    """Run a package in C++; inputs and outputs go through files in the folder."""
    torch.save(inputs, folder / "inputs.pt")
    library = torch_moe_ttnn.library_path()
    subprocess.run([runner, library, package, folder / "inputs.pt", folder / "outputs.pt"], check=True)
    return torch.load(folder / "outputs.pt")


def main() -> int:
    """Compare the layer with its package, in Python and in C++."""
    torch.manual_seed(0)
    layer = Layer()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_package(layer, folder / "layer.pt2")
        build_runner(folder / "run_package")
        package = torch._inductor.aoti_load_package(str(folder / "layer.pt2"))
        for num_tokens in (1, 100):
            hidden_states = torch.randn(num_tokens, 64)
            with torch.no_grad():
                expected = layer(hidden_states)
            (in_cpp,) = run(folder / "run_package", folder / "layer.pt2", [hidden_states], folder)
            for where, actual in (("Python", package(hidden_states)), ("C++", in_cpp)):
                torch.testing.assert_close(actual, expected)
                print(f"{num_tokens} tokens in {where}: largest difference {(actual - expected).abs().max():.2g}")
    return 0


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    sys.exit(main())
