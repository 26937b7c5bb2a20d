import os
import sys
from pathlib import Path

from setuptools import setup

# A broken backend elsewhere in the environment must not break this build.
os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"

import torch
from torch.utils.cpp_extension import BuildExtension, CppExtension

ROOT = Path(__file__).resolve().parent
CSRC = ROOT / "csrc"


def sources():
    """Return all of csrc but the device's code, which files in the emulated device's own folder `kernels` include."""
    every = (source for source in CSRC.glob("**/*.cpp") if source.parent != CSRC / "tt/kernels")
    return sorted(str(source.relative_to(ROOT)) for source in every)


def write_build_info():
    """Leaves what an extension that does not load can no longer say."""
    (ROOT / "torch_moe_ttnn" / "_build_info.py").write_text(f"TORCH_VERSION = {torch.__version__!r}\n")


def extension():
    debug = os.environ.get("DEBUG", "0") == "1"
    compile_args = ["-fvisibility=hidden", "-Wall"]
    # -UNDEBUG/-DNDEBUG come after Python's own flags and win over them.
    compile_args += ["-O0", "-g3", "-UNDEBUG"] if debug else ["-O3", "-g0", "-DNDEBUG"]
    link_args = [] if debug else ["-Wl,-s"]
    if sys.platform == "linux":
        # at::parallel_for is inline: without OpenMP it would run on one thread. The run time is torch's own libgomp.
        compile_args.append("-fopenmp")
        link_args.append("-fopenmp")
    return CppExtension(
        "torch_moe_ttnn._C",
        sources(),
        # The second one has the emulated device's stand-in for tt-metal's kernel API.
        include_dirs=[str(CSRC), str(CSRC / "tt/runtime/emulated/include")],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )


write_build_info()
setup(ext_modules=[extension()], cmdclass={"build_ext": BuildExtension})
