"""Qwen3-MoE with experts computed on rows sorted by expert.

The model is Hugging Face transformers' own, in a small configuration with random weights. One line has
``torch_moe_ttnn.transformers`` compute its experts; nothing in a sparse block depends on the router's choices but
numbers, so that ``torch.compile`` captures it as one graph, router and experts. Needs the extra ``transformers``.

    python examples/qwen3_moe.py
    python examples/qwen3_moe.py --device tt
    python examples/qwen3_moe.py --compile
    python examples/qwen3_moe.py --record choices.safetensors
    python -m torch_moe_ttnn --input choices.safetensors
"""

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

try:
    import torch_moe_ttnn.transformers
except ImportError as error:
    if __name__ != "__main__":
        raise
    sys.exit(str(error))  # says what to install
from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

from torch_moe_ttnn.transformers import IMPLEMENTATION

torch_moe_ttnn.transformers.register()


def build_model(seed: int = 0, dtype: torch.dtype = torch.float32) -> Qwen3MoeForCausalLM:
    """Return a Qwen3-MoE of three layers: every expert of a layer of the 30B model, in a tenth of the width."""
    config = Qwen3MoeConfig(
        vocab_size=512,
        hidden_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        intermediate_size=256,
        moe_intermediate_size=64,
        num_experts=128,
        num_experts_per_tok=8,
        norm_topk_prob=True,
        initializer_range=0.2,
    )
    torch.manual_seed(seed)
    return Qwen3MoeForCausalLM(config).to(dtype).eval()


def logits(model: Qwen3MoeForCausalLM, input_ids: Tensor, implementation: str) -> Tensor:
    """Run the model with the named computation of its experts; "eager" is transformers' own."""
    model.set_experts_implementation(implementation)
    with torch.inference_mode():
        return model(input_ids).logits


def compile_sparse_blocks(model: Qwen3MoeForCausalLM, backend: str) -> None:
    """Compile each layer's sparse block, from its router to the sum of its experts' outputs, as one graph."""
    for layer in model.model.layers:
        layer.mlp.compile(fullgraph=True, dynamic=True, backend=backend)


def main() -> int:
    """Compare the logits of both computations; with --record, keep a router's choices."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=256, help="tokens in each of two sequences (default: 256)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu or tt (default: cpu)")
    parser.add_argument("--compile", action="store_true", help="compile the sparse blocks")
    parser.add_argument("--record", metavar="FILE", help="write the choices of a layer's router, a .safetensors file")
    parser.add_argument("--layer", type=int, default=0, choices=range(3), help="the layer to record (default: 0)")
    arguments = parser.parse_args()
    try:
        torch.empty(0, device=arguments.device)
    except (RuntimeError, AssertionError) as error:
        parser.exit(2, f"--device {arguments.device}: {str(error).splitlines()[0]}\n")
    if arguments.record and not Path(arguments.record).absolute().parent.is_dir():
        parser.exit(2, f"--record {arguments.record}: there is no such folder\n")

    if arguments.device.startswith("tt"):
        # The device has kernels for the operators; the rest of the model runs on the CPU, and that is known.
        torch.tt.set_fallback_mode("silent")
    model = build_model(arguments.seed).to(arguments.device)
    input_ids = torch.randint(model.config.vocab_size, (2, arguments.tokens)).to(arguments.device)
    with torch_moe_ttnn.record_choices(model) as recorder:
        expected = logits(model, input_ids, "eager")
    if arguments.compile:
        compile_sparse_blocks(model, "torch_moe_ttnn" if model.device.type == "tt" else "inductor")
    actual = logits(model, input_ids, IMPLEMENTATION)
    print(f"logits {tuple(actual.shape)}: largest difference {(actual - expected).abs().max():.2g}")
    # A sum in another order, layer after layer, moves logits of up to 10 by less, how far depending on the CPU.
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)
    if arguments.record:
        recorder.save(arguments.record, arguments.layer)
        print(f"recorded layer {arguments.layer}'s choices in {arguments.record}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
