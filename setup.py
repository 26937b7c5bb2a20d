import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# A broken backend elsewhere in the environment must not break this build.
os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"

import torch
from torch.utils.cpp_extension import BuildExtension, CppExtension

ROOT = Path(__file__).resolve().parent
CSRC = ROOT / "csrc"
METAL = CSRC / "tt/runtime/metal"
METAL_LIBRARY = "libmoe_tt_metal.so"


def sources():
    """Return all of csrc but the device's code, which files in the emulated device's own folder `kernels` include.

    The metal runtime is a library of its own.
    """
    apart = (CSRC / "tt/kernels", METAL)
    return sorted(str(source.relative_to(ROOT)) for source in CSRC.glob("**/*.cpp") if source.parent not in apart)


def device_code():
    """Return what TT-Metalium compiles at run time, as paths within csrc: the kernels find the contract by its place."""
    folders = (CSRC / "tt/kernels", CSRC / "contract")
    return [file.relative_to(CSRC) for folder in folders for file in sorted(folder.glob("**/*.*"))]


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


def metalium_prefix():
    """Return the prefix of the TT-Metalium to build against, or None where the metal runtime is left out."""
    wanted = os.environ.get("TORCH_MOE_METAL", "")
    if wanted not in ("", "0", "1"):
        sys.exit(f"expected TORCH_MOE_METAL to be 0 or 1, got {wanted}")
    if wanted == "0":
        print("torch_moe_ttnn: built without TT-Metalium, as TORCH_MOE_METAL=0 says", flush=True)
        return None
    explicit = os.environ.get("TT_METALIUM_PREFIX")
    home = os.environ.get("TT_METAL_HOME")
    places = [explicit] if explicit else [f"{home}/build"] * bool(home) + ["/opt/tt-metalium", "/usr"]
    for place in map(Path, places):
        if (place / "include/tt-metalium/host_api.hpp").exists() and (place / "lib/libtt_metal.so").exists():
            print(f"torch_moe_ttnn: built with TT-Metalium, from {place}", flush=True)
            return place
    reason = (
        f"no TT-Metalium found in {', '.join(places)}: a prefix has include/tt-metalium/host_api.hpp and "
        "lib/libtt_metal.so"
    )
    if wanted == "1" or explicit:
        sys.exit(f"{reason}. Set TT_METALIUM_PREFIX to one, or TORCH_MOE_METAL=0 to build without the metal runtime")
    print(f"torch_moe_ttnn: built without TT-Metalium: {reason}", flush=True)
    return None


def build_metal_library(prefix, library, objects):
    """Compiles the metal runtime, without torch: both ship fmt, and one of them has to be out of sight."""
    compiler = shlex.split(os.environ.get("CXX", "g++"))
    flags = ["-std=c++20", "-O2", "-g0", "-DNDEBUG", "-DFMT_HEADER_ONLY", "-fPIC", "-fvisibility=hidden", "-Wall"]
    # Its own installer puts what its headers need beside them, in these.
    places = ("include", "include/metalium-thirdparty", "libexec/tt-metalium/tt_metal/hostdevcommon/api")
    include = [f"-I{CSRC}", *(f"-isystem{prefix / place}" for place in places if (prefix / place).is_dir())]
    objects.mkdir(parents=True, exist_ok=True)

    def compile_one(source):
        target = objects / f"{source.stem}.o"
        subprocess.run([*compiler, *flags, *include, "-c", str(source), "-o", str(target)], check=True)
        return str(target)

    with ThreadPoolExecutor(int(os.environ.get("MAX_JOBS", os.cpu_count() or 1))) as pool:
        compiled = list(pool.map(compile_one, sorted(METAL.glob("*.cpp"))))
    lib = prefix / "lib"
    link = ["-shared", "-Wl,-s", "-Wl,-z,defs", f"-L{lib}", f"-Wl,-rpath,{lib}"]
    # TT-Metalium's libraries bring MPI and others beside them, under names that the linker does not search for.
    link += ["-ltt_metal", "-ltt_stl", "-ltt-umd", "-Wl,--allow-shlib-undefined"]
    library.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([*compiler, *compiled, "-o", str(library), *link], check=True)


class BuildExtensionAndMetal(BuildExtension):
    """Builds the metal runtime too, where there is TT-Metalium, beside the extension."""

    def metal_library(self):
        return Path(self.get_ext_fullpath("torch_moe_ttnn._C")).with_name(METAL_LIBRARY)

    def build_extensions(self):
        super().build_extensions()
        prefix = metalium_prefix()
        # One of an earlier build would be loaded, and fit no longer.
        self.metal_library().unlink(missing_ok=True)
        if prefix is not None:
            build_metal_library(prefix.absolute(), self.metal_library(), Path(self.build_temp).absolute() / "metal")

    def copy_extensions_to_source(self):
        super().copy_extensions_to_source()
        built = Path(self.build_lib).absolute() / "torch_moe_ttnn" / METAL_LIBRARY
        target = ROOT / "torch_moe_ttnn" / METAL_LIBRARY
        target.unlink(missing_ok=True)
        if built.exists():
            shutil.copy2(built, target)


class BuildPyAndDeviceCode(build_py):
    """Puts the device's code into the package; an editable install has it in the checkout around it."""

    def run(self):
        super().run()
        if getattr(self, "editable_mode", False):
            return
        for file in device_code():
            target = Path(self.build_lib) / "torch_moe_ttnn/csrc" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CSRC / file, target)


write_build_info()
setup(
    ext_modules=[extension()],
    cmdclass={"build_ext": BuildExtensionAndMetal.with_options(), "build_py": BuildPyAndDeviceCode},
)
