"""``python benchmarks/layer.py``: a layer's experts, and a small model, beside Hugging Face's own computations of them.

The experts are transformers' module, with each of its implementations and with ours, on the CPU. Samples are taken
beside each other, on one thread of processor time, on more by the clock. What is not matrix multiplication is the rest
of a call's time when that of the two grouped products on rows that lie ready is taken away: PyTorch's ``grouped_mm``
for transformers', ``grouped_linear`` for ours.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeExperts

import torch_moe_ttnn.transformers
from _measure import alternately, duration, machine, median_ratio
from torch_moe_ttnn._cli.progress import progress
from torch_moe_ttnn._cli.report import markdown
from torch_moe_ttnn.testing import make_choices

OURS = torch_moe_ttnn.transformers.IMPLEMENTATION
THEIRS = ("grouped_mm", "batched_mm", "eager")
# batched_mm copies an expert's weights for each choice.
MOST_COPIED_BYTES = 2**30
TOKENS = (1, 32, 512, 4096)
DTYPES = (torch.bfloat16, torch.float32)


class Sizes(NamedTuple):
    """Of a layer: a published model's, its widths scaled to fit."""

    num_experts: int
    top_k: int
    hidden: int
    intermediate: int


MODELS = {
    "qwen3-30b-a3b, a quarter as wide": Sizes(128, 8, 2048 // 4, 768 // 4),
    "deepseek-v3, a sixteenth as wide": Sizes(256, 8, 7168 // 16, 2048 // 16),
}


def config_of(sizes: Sizes, **options: int) -> Qwen3MoeConfig:
    """Return the configuration of a model with such layers."""
    return Qwen3MoeConfig(
        num_experts=sizes.num_experts,
        num_experts_per_tok=sizes.top_k,
        hidden_size=sizes.hidden,
        moe_intermediate_size=sizes.intermediate,
        **options,
    )


class Layer:
    """Experts with random weights, and what a router hands to them."""

    def __init__(self, sizes: Sizes, num_tokens: int, dtype: torch.dtype) -> None:
        """Draw them."""
        self.experts = Qwen3MoeExperts(config_of(sizes)).to(dtype)
        for parameter in self.experts.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
        self.hidden = torch.randn(num_tokens, sizes.hidden).to(dtype)
        self.ids, weights = make_choices(num_tokens, sizes.top_k, sizes.num_experts)
        self.weights = weights.to(dtype)
        self.grouping = torch_moe_ttnn.prepare_grouping(self.ids, weights, sizes.num_experts)
        self.rows = torch_moe_ttnn.permute(self.hidden, self.grouping.grouped_tokens)
        self.inner = torch.randn(len(self.rows), sizes.intermediate).to(dtype)

    def run(self, implementation: str) -> Tensor:
        """Compute the experts as transformers does with an implementation of this name."""
        self.experts.config._experts_implementation = implementation
        return self.experts(self.hidden, self.ids, self.weights)

    def their_products(self) -> None:
        """Compute PyTorch's products alone."""
        offs = self.grouping.offs
        functional.grouped_mm(self.rows, self.experts.gate_up_proj.mT, offs=offs)
        functional.grouped_mm(self.inner, self.experts.down_proj.mT, offs=offs)

    def our_products(self) -> None:
        """Compute ours alone."""
        offsets = self.grouping.group_offsets
        torch_moe_ttnn.grouped_linear(self.rows, self.experts.gate_up_proj, offsets)
        torch_moe_ttnn.grouped_linear(self.inner, self.experts.down_proj, offsets)

    def functions(self) -> dict[str, Callable[[], object]]:
        """Return what is timed, by name."""
        copied = self.ids.numel() * self.experts.gate_up_proj[0].nbytes
        theirs = [name for name in THEIRS if name != "batched_mm" or copied <= MOST_COPIED_BYTES]
        calls = {name: lambda name=name: self.run(name) for name in (OURS, *theirs)}
        return calls | {"our products": self.our_products, "their products": self.their_products}


def clock() -> Callable[[], float]:
    """Return what to measure with: other processes' time does not count where there is one thread."""
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def rest(call: list[float], products: list[float]) -> float:
    """Return the median of what is not matrix multiplication."""
    return statistics.median(a - b for a, b in zip(call, products, strict=True))


def layer_row(layer: Layer, seconds: float) -> list[str]:
    """Return a layer's time, those of transformers' implementations over it, and the rests."""
    for name in THEIRS[::2]:
        torch.testing.assert_close(layer.run(OURS), layer.run(name), rtol=2e-2, atol=2e-2)
    samples = alternately(layer.functions(), seconds, clock())
    ratios = {name: median_ratio(samples[name], samples[OURS]) for name in THEIRS if name in samples}
    our_rest = rest(samples[OURS], samples["our products"])
    their_rest = rest(samples["grouped_mm"], samples["their products"])
    return [
        duration(statistics.median(samples[OURS])),
        *(f"{ratios[name]:.2f}" if name in ratios else "" for name in THEIRS),
        # Where products take nearly all of the time, their noise is more than the rest.
        duration(our_rest) if our_rest > 0 else "in the noise",
        duration(their_rest) if their_rest > 0 else "in the noise",
    ]


def generation_row(model: Qwen3MoeForCausalLM, batch_size: int, new_tokens: int, seconds: float) -> list[str]:
    """Return the tokens a second of ``generate`` with each implementation."""
    prompt = torch.randint(model.config.vocab_size, (batch_size, 32))

    def generate(implementation: str) -> None:
        model.set_experts_implementation(implementation)
        model.generate(prompt, max_new_tokens=new_tokens, min_new_tokens=new_tokens, do_sample=False)

    names = (OURS, *THEIRS)
    samples = alternately({name: lambda name=name: generate(name) for name in names}, seconds, clock())
    return [f"{batch_size * new_tokens / statistics.median(samples[name]):.1f}" for name in names]


def main(argv: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python benchmarks/layer.py", description=__doc__)
    parser.add_argument("--tokens", nargs="+", type=int, default=TOKENS, metavar="T")
    parser.add_argument("--threads", nargs="+", type=int, default=(1, 2), metavar="N")
    parser.add_argument(
        "--batches", nargs="+", type=int, default=(1, 8), metavar="B", help="of generate (default: 1 8)"
    )
    parser.add_argument("--new-tokens", type=int, default=16, metavar="N", help="of generate (default: 16)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of measuring a case (default: 5)")
    arguments = parser.parse_args(argv)
    torch.manual_seed(0)
    torch_moe_ttnn.transformers.register()
    print(f"{machine()}.", flush=True)

    lines = []
    with torch.inference_mode():
        for name, dtype, tokens in progress(list(itertools.product(MODELS, DTYPES, arguments.tokens))):
            layer = Layer(MODELS[name], tokens, dtype)
            for threads in arguments.threads:
                torch.set_num_threads(threads)
                cells = layer_row(layer, arguments.seconds)
                lines.append((name, str(dtype).removeprefix("torch."), tokens, threads, *cells))
    print("\nA layer's experts: our time, transformers' over it, and what is not matrix multiplication:\n")
    header = "model", "dtype", "T", "threads", "ours", *(f"`{name}`" for name in THEIRS), "our rest", "`grouped_mm`'s"
    print(markdown(header, lines), flush=True)

    lines = []
    sizes = next(iter(MODELS.values()))
    model = Qwen3MoeForCausalLM(
        config_of(sizes, num_hidden_layers=4, num_attention_heads=8, num_key_value_heads=2)
    ).eval()
    for dtype, batch_size, threads in progress(list(itertools.product(DTYPES, arguments.batches, arguments.threads))):
        torch.set_num_threads(threads)
        cells = generation_row(model.to(dtype), batch_size, arguments.new_tokens, arguments.seconds)
        lines.append((str(dtype).removeprefix("torch."), batch_size, threads, *cells))
    print("\n`generate` of a model of four such layers, tokens a second:\n")
    print(markdown(("dtype", "sequences", "threads", "ours", *(f"`{name}`" for name in THEIRS)), lines))


if __name__ == "__main__":
    main()
