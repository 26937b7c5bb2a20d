# setup.py writes it beside the compiled files.
TORCH_VERSION: str
METALIUM_PREFIX: str | None
METALIUM_RELEASE: str | None
