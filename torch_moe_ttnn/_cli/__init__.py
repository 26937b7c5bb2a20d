"""The command line, ``python -m torch_moe_ttnn``."""
