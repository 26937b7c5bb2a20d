"""Builds three shared libraries, in this order, into a folder of torch_moe_ttnn/_built:

libtorch_moe_ttnn.so  all of csrc but the next two; links PyTorch and nothing of Python
_C.*.so               csrc/python, the bindings; links libtorch_moe_ttnn.so
libmoe_tt_metal.so    csrc/tt/runtime/metal, where there is a TT-Metalium; links that and not PyTorch

The folder is named after Python and torch, as is the one within build/ for the objects of `pip install -e .` and
`build_ext --inplace`: environments of one clone have their own.
"""

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

# A broken backend elsewhere in the environment must not break this build.
os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"

import torch
from packaging.specifiers import SpecifierSet  # setuptools has it
from torch.utils.cpp_extension import BuildExtension, get_cxx_compiler, include_paths, library_paths

# Releases of torch; csrc/ops/torch_versions.h has what differs between them.
WRITTEN_FOR = SpecifierSet(">=2.11,<2.15")

ROOT = Path(__file__).resolve().parent
PACKAGE = "torch_moe_ttnn"
PLACE = runpy.run_path(str(ROOT / PACKAGE / "_build_folder.py"))
FOLDER = PLACE["folder_name"](torch.__version__)
BUILT = f"{PACKAGE}.{PLACE['PARENT']}.{FOLDER}"
LIBRARY = "libtorch_moe_ttnn"
METAL_LIBRARY = "libmoe_tt_metal"
BUILD_INFO = "_build_info.py"
# What TT-Metalium compiles at run time, within csrc. The kernels find the contract by its place beside them.
DEVICE_CODE = ("contract", "tt/kernels", "tt/runtime/limits.h")

# Each is compiled as one file, with what is below it and is no other of them; tests/test_setup.py says what that asks
# of the files. The loops of csrc/ops/cpu stay apart: what else is in a file moves the compiler's choices of what to
# inline. Half of what is left is the compiler's work on our code, most of it on those loops: a precompiled header of
# torch/library.h would save each file 3 s and take 13 s itself, -O2 saves a tenth.
JOINED = (
    "ops",
    "ops/tt",
    "python",
    "tt/backend",
    "tt/backend/aten",
    "tt/backend/fallback",
    "tt/backend/profiler",
    "tt/runtime/emulated",
    "tt/runtime/metal",
)
APART = ("ops/cpu",)

DEBUG = os.environ.get("DEBUG", "0") == "1"


def sources(folder, without=()):
    """Return the C++ files of a folder within csrc, as paths within the repository; some folders may stay out."""
    apart = [ROOT / "csrc" / name for name in without]
    files = sorted((ROOT / "csrc" / folder).glob("**/*.cpp"))
    return [str(file.relative_to(ROOT)) for file in files if not any(file.is_relative_to(place) for place in apart)]


def joined_in(source):
    """Return the folder of JOINED with which a C++ file is compiled, or None where it is compiled by itself."""
    for folder in map(str, Path(source).relative_to("csrc").parents):
        if folder in APART:
            return None
        if folder in JOINED:
            return folder
    return None


def join(sources, folder):
    """Return what to compile in place of sources: one file for a folder of JOINED, which is written to `folder`."""
    units = {}
    for source in sources:
        units.setdefault(joined_in(source) or source, []).append(source)
    compiled = []
    for place, members in units.items():
        if len(members) == 1:
            compiled += members
            continue
        unit = Path(folder) / f"{place.replace('/', '_')}.cpp"
        text = "".join(f'#include "{Path(member).relative_to("csrc")}"\n' for member in members)
        # Written anew, one that is the same would be compiled again.
        if not unit.exists() or unit.read_text() != text:
            unit.parent.mkdir(parents=True, exist_ok=True)
            unit.write_text(text)
        compiled.append(str(unit))
    return compiled


def shared_library(name, sources, flags=(), link_flags=(), **options):
    """Return an extension, which need not be a module of Python, built with the flags that all of them have."""
    # -UNDEBUG/-DNDEBUG come after Python's own flags and win over them.
    optimisation = ["-O0", "-g3", "-UNDEBUG"] if DEBUG else ["-O3", "-g0", "-DNDEBUG"]
    return Extension(
        f"{BUILT}.{name}",
        sources,
        include_dirs=[str(ROOT / "csrc"), *options.pop("include_dirs", [])],
        extra_compile_args=["-std=c++20", "-fvisibility=hidden", "-Wall", *optimisation, *flags],
        extra_link_args=[*([] if DEBUG else ["-Wl,-s"]), *link_flags],
        language="c++",
        **options,
    )


def library():
    # Kernels are included by the files of csrc/tt/launch/emulated.
    apart = ("python", "tt/kernels", "tt/runtime/metal")
    return shared_library(
        LIBRARY,
        sources("", without=apart),
        # at::parallel_for is inline: without OpenMP it would run on one thread. The run time is torch's own libgomp.
        # unpermute rounds each product and each sum: no processor may do both at once.
        flags=["-fopenmp", "-ffp-contract=off"],
        link_flags=["-fopenmp", f"-Wl,-soname,{LIBRARY}.so"],
        # The first one has the emulated device's stand-in for tt-metal's kernel API.
        include_dirs=[str(ROOT / "csrc/tt/runtime/emulated/include")],
        define_macros=[("MOE_METAL_LIBRARY", f'"{METAL_LIBRARY}.so"')],
        library_dirs=library_paths(),
        libraries=["torch", "torch_cpu", "c10"],
    )


def bindings():
    return shared_library(
        "_C",
        sources("python"),
        link_flags=["-Wl,-rpath,$ORIGIN"],
        library_dirs=library_paths(),
        libraries=[LIBRARY.removeprefix("lib"), "torch", "torch_cpu", "torch_python", "c10"],
    )


def metal_library():
    """Return the metal runtime, to be completed with a TT-Metalium.

    It is compiled without torch: both ship fmt, and one of them has to be out of sight.
    """
    return shared_library(
        METAL_LIBRARY,
        sources("tt/runtime/metal"),
        flags=["-DFMT_HEADER_ONLY"],
        # TT-Metalium's libraries bring MPI and others beside them, under names that the linker does not search for.
        link_flags=["-Wl,-z,defs", "-Wl,--allow-shlib-undefined"],
        libraries=["tt_metal", "tt_stl", "tt-umd"],
    )


def torch_headers(folder):
    """Return the compiler's flags for torch's headers, by links in a folder that keep their place.

    pip has torch in another temporary folder for each build. As headers of the system they are no dependencies of an
    object: those of a release do not change, and the objects of another release are in another folder.
    """
    flags = []
    for number, headers in enumerate(include_paths()):
        link = folder / f"torch-headers-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(headers)
        flags.append(f"-isystem{link}")
    return flags


def check_tools(include_dirs):
    """Exit with one line where what compiles C++ is missing; the errors of ninja and the compiler are pages long."""
    compiler = shlex.split(get_cxx_compiler())[0]
    if shutil.which(compiler) is None:
        sys.exit(f"no C++ compiler: expected {compiler} in PATH. Install one, such as Debian's package g++, or set CXX")
    if not any((Path(folder) / "Python.h").exists() for folder in include_dirs):
        sys.exit(
            f"no headers of Python: expected Python.h in {' or '.join(include_dirs)}. Install them, such as Debian's "
            "package python3-dev, or use a Python that has them"
        )


def find_metalium():
    """Return the prefix of the TT-Metalium to build against, or None; and in words what the build then has."""
    wanted = os.environ.get("TORCH_MOE_METAL", "")
    if wanted not in ("", "0", "1"):
        sys.exit(f"expected TORCH_MOE_METAL to be 0 or 1, got {wanted}")
    if wanted == "0":
        return None, "built without TT-Metalium, as TORCH_MOE_METAL=0 says"
    explicit = os.environ.get("TT_METALIUM_PREFIX")
    home = os.environ.get("TT_METAL_HOME")
    places = [explicit] if explicit else [f"{home}/build"] * bool(home) + ["/opt/tt-metalium", "/usr"]
    for place in map(Path, places):
        if (place / "include/tt-metalium/host_api.hpp").exists() and (place / "lib/libtt_metal.so").exists():
            return place.absolute(), f"built with TT-Metalium, from {place}"
    reason = (
        f"no TT-Metalium found in {', '.join(places)}: a prefix has include/tt-metalium/host_api.hpp and "
        "lib/libtt_metal.so"
    )
    if wanted == "1" or explicit:
        sys.exit(f"{reason}. Set TT_METALIUM_PREFIX to one, or TORCH_MOE_METAL=0 to build without the metal runtime")
    return None, f"built without TT-Metalium: {reason}"


def metalium_release(libraries):
    """Return the release of the TT-Metalium in a folder, or "", as csrc/tt/runtime/metal/release.cpp finds it."""
    for metadata in (libraries.resolve() / "../../..").glob("ttnn-*.dist-info"):
        return metadata.name.removeprefix("ttnn-").removesuffix(".dist-info")
    description = libraries.resolve() / "cmake/tt-metalium/tt-metalium-config-version.cmake"
    text = description.read_text() if description.exists() else ""
    found = re.search(r'^set\(PACKAGE_VERSION "(.*?)"', text, re.MULTILINE)
    return found[1] if found else ""


def description():
    """Return the package's summary, which `pip show` prints. That of a wheel says what was built, for pip does not."""
    text = "Mixture-of-Experts routing operators for PyTorch, for CPU and Tenstorrent devices"
    if "sdist" in sys.argv:
        return text
    prefix, _ = find_metalium()
    if prefix is None:
        return f"{text}; built without TT-Metalium"
    return f"{text}; built with TT-Metalium {metalium_release(prefix / 'lib')}".strip()


def build_id(library):
    """Return a library's GNU build id; "" if it has none."""
    notes = subprocess.run(["readelf", "--notes", "--wide", library], capture_output=True, text=True).stdout
    found = re.search(r"Build ID: ([0-9a-f]+)", notes)
    return found[1] if found else ""


class BuildLibraries(BuildExtension):
    def finalize_options(self):
        chosen = self.build_temp
        super().finalize_options()
        if self.inplace and chosen is None:
            # Not a temporary folder: the next one compiles what has changed.
            self.build_temp = os.path.join("build", FOLDER)
        # One library after another, for the bindings link the first; ninja compiles each one's files in parallel.
        self.parallel = None

    def get_ext_filename(self, fullname):
        """Give what is no module of Python a plain name."""
        folders, _, name = fullname.rpartition(".")
        if name in (LIBRARY, METAL_LIBRARY):
            return os.path.join(*folders.split("."), f"{name}.so") if folders else f"{name}.so"
        return super().get_ext_filename(fullname)

    def get_export_symbols(self, ext):
        return super().get_export_symbols(ext) if ext.name.endswith("._C") else ext.export_symbols

    def build_extensions(self):
        prefix, words = find_metalium()
        print(f"torch_moe_ttnn: {words}", flush=True)
        check_tools(self.include_dirs)
        metal = self.ext_map[METAL_LIBRARY]
        release = None if prefix is None else metalium_release(prefix / "lib")
        self.build_info = {
            "TORCH_VERSION": torch.__version__,
            "METALIUM_PREFIX": None if prefix is None else str(prefix),
            "METALIUM_RELEASE": release,
        }
        if prefix is None:
            self.extensions.remove(metal)
            # One of an earlier build would be loaded, and fit no longer.
            Path(self.get_ext_fullpath(metal.name)).unlink(missing_ok=True)
        else:
            # TT-Metalium's own installer puts what its headers need beside them, in these.
            places = ("include", "include/metalium-thirdparty", "libexec/tt-metalium/tt_metal/hostdevcommon/api")
            metal.extra_compile_args += [f"-isystem{prefix / place}" for place in places if (prefix / place).is_dir()]
            metal.define_macros += [
                ("MOE_TT_METALIUM_RELEASE", f'"{release}"'),
                ("MOE_TT_METALIUM_BUILD_ID", f'"{build_id(prefix / "lib/libtt_metal.so")}"'),
            ]
            metal.library_dirs.append(str(prefix / "lib"))
            metal.runtime_library_dirs.append(str(prefix / "lib"))
        for name in (LIBRARY, "_C"):
            self.ext_map[name].extra_compile_args += torch_headers(Path(self.build_temp).absolute())
        try:
            super().build_extensions()
        except Exception:
            if torch.__version__ in WRITTEN_FOR:
                raise
            traceback.print_exc()
            sys.exit(f"it does not compile with torch {torch.__version__}: expected a release {WRITTEN_FOR}")

    def build_extension(self, ext):
        folder = Path(self.get_ext_fullpath(ext.name)).parent
        if ext.name.endswith("._C"):
            ext.library_dirs.append(str(folder))
        # A folder for each, as each has a build.ninja.
        shared, self.build_temp = self.build_temp, os.path.join(self.build_temp, ext.name.rpartition(".")[2])
        ext.sources = join(ext.sources, self.build_temp)
        super().build_extension(ext)
        self.build_temp = shared
        if ext.name.endswith("._C"):
            # What an extension that does not load can no longer say.
            lines = (f"{name} = {value!r}\n" for name, value in self.build_info.items())
            (folder / BUILD_INFO).write_text("".join(lines))

    def copy_extensions_to_source(self):
        built, target = (Path(root) / BUILT.replace(".", "/") for root in (self.build_lib, ROOT))
        # What it has of an earlier build may fit no longer. A process that runs keeps the files that it has loaded.
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(built, target)


class BuildPyAndDeviceCode(build_py):
    """Puts the device's code into the package; an editable install has it in the checkout around it.

    What `import torch` calls has to be in the environment all the same, where it outlives the checkout.
    """

    def run(self):
        super().run()
        if self.editable_mode:
            (module,) = self.distribution.py_modules
            shutil.copy2(ROOT / f"{module}.py", self.get_finalized_command("install").install_purelib)
            return
        installed = Path(self.build_lib) / PACKAGE / "csrc"
        # An earlier build's may have files that are no more.
        shutil.rmtree(installed, ignore_errors=True)
        for name in DEVICE_CODE:
            source, target = ROOT / "csrc" / name, installed / name
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)


setup(
    description=description(),
    # The compiled files fit the release of torch that they were built with. Nothing here needs NumPy, but torch warns
    # where there is none.
    install_requires=[f"torch=={PLACE['minor_of'](torch.__version__)}.*", "safetensors>=0.5", "numpy"],
    ext_modules=[library(), bindings(), metal_library()],
    cmdclass={"build_ext": BuildLibraries, "build_py": BuildPyAndDeviceCode},
)
