import os
import sys
from pathlib import Path

from setuptools import setup

# A broken backend elsewhere in the environment must not break this build.
os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"

from torch.utils.cpp_extension import BuildExtension, CppExtension

ROOT = Path(__file__).resolve().parent


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
    csrc = ROOT / "csrc"
    # Kernels are the device's code. For the emulated device, the files in its own folder `kernels` include them, and
    # its folder `include` stands in for tt-metal's kernel API.
    sources = [source for source in csrc.glob("**/*.cpp") if csrc / "tt" / "kernels" not in source.parents]
    return CppExtension(
        "torch_moe_ttnn._C",
        sorted(str(source.relative_to(ROOT)) for source in sources),
        include_dirs=[str(csrc), str(csrc / "tt" / "runtime" / "emulated" / "include")],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )


setup(ext_modules=[extension()], cmdclass={"build_ext": BuildExtension})
