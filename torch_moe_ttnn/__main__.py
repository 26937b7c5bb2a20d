"""``python -m torch_moe_ttnn``: run the operators on a batch, check them and show where the tokens go."""

import sys

from torch_moe_ttnn._cli.main import program

if __name__ == "__main__":
    sys.exit(program())
