"""The README's Python, as it stands there."""

import re
from pathlib import Path

import torch

README = Path(__file__).parents[1] / "README.md"


def test_blocks_one_after_the_other(inductor):
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    mode = torch.tt.get_fallback_mode()
    torch.tt.set_fallback_mode("silent")
    names = {}
    try:
        for block in blocks:
            exec(compile(block, README.name, "exec"), names)
    finally:
        torch.tt.set_fallback_mode(mode)
    hidden = names["hidden"]
    # Sums of products of numbers that are not small.
    torch.testing.assert_close(names["compiled"](hidden), names["layer"](hidden), rtol=1e-4, atol=1e-2)
    # Each token went to eight experts.
    torch.testing.assert_close(names["sums"], 8 * hidden)
