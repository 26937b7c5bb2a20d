"""The experts of Hugging Face transformers' models, computed on rows sorted by expert.

    import torch_moe_ttnn.transformers

    torch_moe_ttnn.transformers.register()
    model.set_experts_implementation("torch_moe_ttnn")

Any model whose experts are in transformers' ``ExpertsInterface`` takes it: Qwen, Mixtral, OLMoE, DeepSeek, GLM, gpt-oss
and others, in training and inference, eager and compiled.
"""

try:
    import transformers.integrations.moe
    from packaging.version import Version

    # Older ones have an interface of this name too, whose experts lack what is asked of them here.
    if Version(transformers.__version__) < Version("5.20.2"):
        raise ImportError(f"it is {transformers.__version__}")
except ImportError as error:
    _message = (
        f"torch_moe_ttnn.transformers expects transformers of at least 5.20.2: {error}; install it with "
        'pip install "torch_moe_ttnn[transformers]"'
    )
    raise ImportError(_message) from error

from torch_moe_ttnn.transformers._experts import experts_forward
from torch_moe_ttnn.transformers._register import IMPLEMENTATION, register

__all__ = ["IMPLEMENTATION", "experts_forward", "register"]
