"""Published Mixture-of-Experts models, by the sizes that the operators see."""

from typing import NamedTuple

__all__ = ["MODELS", "Model"]


class Model(NamedTuple):
    """The router's sizes in a model."""

    num_experts: int
    """E."""

    top_k: int
    """K, experts a token."""

    hidden_size: int


MODELS: dict[str, Model] = {
    "mixtral-8x7b": Model(8, 2, 4096),
    "gpt-oss-20b": Model(32, 4, 2880),
    "gpt-oss-120b": Model(128, 4, 2880),
    "llama-4-maverick": Model(128, 1, 5120),
    "qwen3-30b-a3b": Model(128, 8, 2048),
    "qwen3-235b-a22b": Model(128, 8, 4096),
    "glm-4.7": Model(160, 8, 5120),
    "deepseek-v3": Model(256, 8, 7168),
    "kimi-k2": Model(384, 8, 7168),
    "qwen3-next-80b": Model(512, 10, 2048),
    "kimi-k3": Model(896, 16, 7168),
}
