"""Compile every kernel for both chips as TT-Metalium does at its first launch, without a chip or a simulator.

``python tools/compile_kernels.py PREFIX`` runs the operators on the emulated device, which lists the kernels that it is
to launch, and takes TT-Metalium's device headers, linker scripts, firmware and compiler from PREFIX/runtime. The
commands are those of the JIT of ttnn 0.73.1, as TT_METAL_LOG_KERNELS_COMPILE_COMMANDS=1 prints them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CSRC = ROOT / "csrc"

FLAGS = (
    "-O2 -std=c++17 -ftt-nttp -ftt-constinit -ftt-consteval -ftt-no-dyninit -flto=auto -ffast-math -fno-exceptions "
    "-fno-rtti -fno-use-cxa-atexit -Wall -Werror -Wno-error=deprecated-declarations -Wno-error=multistatement-macros "
    "-Wno-error=parentheses -Wno-error=unused-but-set-variable -Wno-unused-variable -Wno-unused-function "
    "-fno-tree-loop-distribute-patterns"
)
LINK_FLAGS = "-Wl,-z,max-page-size=16 -Wl,-z,common-page-size=16 -nostartfiles -Wl,--emit-relocs"
PROCESSORS = ("brisc", "ncrisc")  # a Tensix core's data-movement processors, by their numbers


@dataclass(frozen=True)
class Chip:
    """A chip, and what TT-Metalium's JIT knows of it in slow dispatch mode."""

    architecture: str
    name: str
    cpu: str
    defines: str
    firmware: str  # the folder of pre-compiled ones: TT-Metalium's key of this configuration
    ncrisc_start: str  # objects that NCRISC's kernels begin with
    ncrisc_code: int | None  # bytes that NCRISC's memory for code has; None where it runs from L1


CHIPS = (
    Chip(
        architecture="wormhole_b0",
        name="wormhole",
        cpu="tt-wh",
        defines="ARCH_WORMHOLE NUM_DRAM_BANKS=12 IS_NOT_POW2_NUM_DRAM_BANKS=1 NUM_L1_BANKS=72 "
        "IS_NOT_POW2_NUM_L1_BANKS=1 PCIE_NOC_X=0 PCIE_NOC_Y=3 DISPATCH_MESSAGE_ADDR=4290183304",
        firmware="12115869284634555679",
        ncrisc_start="wh-iram-start.o",
        ncrisc_code=16 * 1024,
    ),
    Chip(
        architecture="blackhole",
        name="blackhole",
        cpu="tt-bh",
        defines="ARCH_BLACKHOLE NUM_DRAM_BANKS=8 LOG_BASE_2_OF_NUM_DRAM_BANKS=3 NUM_L1_BANKS=130 "
        "IS_NOT_POW2_NUM_L1_BANKS=1 PCIE_NOC_X=19 PCIE_NOC_Y=24 DISPATCH_MESSAGE_ADDR=4290184248",
        firmware="236086808805918079",
        ncrisc_start="",
        ncrisc_code=None,
    ),
)


@dataclass(frozen=True)
class Kernel:
    """A kernel as the operators launch it."""

    chip: Chip
    name: str
    processor: str
    compile_args: tuple[str, ...]

    def __str__(self) -> str:
        """Return what error messages call it."""
        return f"{self.name} for {self.processor} of {self.chip.architecture}, {','.join(self.compile_args)}"


# Decoding and prefill, few experts and many, with every dtype. Options with the smallest dtypes and the largest: they
# are apart from the code that depends on dtypes, and each kernel takes CI a second.
LAUNCHES = """
import itertools, torch, torch_moe_ttnn
from torch_moe_ttnn.testing import make_choices

shapes = [(1, 1, 8), (1, 8, 128), (32, 4, 32), (1000, 8, 128), (4096, 8, 64), (5, 2, 40000)]
ids = [torch.uint16, torch.uint32, torch.int32, torch.int64]
weights = [torch.bfloat16, torch.float16, torch.float32]
for (tokens, k, experts), id_dtype, weight_dtype in itertools.product(shapes, ids, weights):
    choices = make_choices(tokens, k, experts, id_dtype=id_dtype, weight_dtype=weight_dtype)
    choices = [tensor.to("tt") for tensor in choices]
    torch_moe_ttnn.prepare_mapping(*choices, experts)
    torch_moe_ttnn.prepare_routing(*choices, experts)
    if experts < 40000:  # more have no kernel
        torch_moe_ttnn.prepare_grouping(*choices, experts)
torch_moe_ttnn.permute(torch.ones(5, 3).to("tt"), torch.tensor([4, -1], dtype=torch.int32).to("tt"))
for id_dtype, weight_dtype in ((torch.uint16, torch.bfloat16), (torch.int64, torch.float32)):
    choices = make_choices(32, 4, 64, id_dtype=id_dtype, weight_dtype=weight_dtype)
    choices = [tensor.to("tt") for tensor in choices]
    local = torch.arange(8).to("tt")
    torch_moe_ttnn.prepare_mapping(*choices, 64, local_experts=local)
    torch_moe_ttnn.prepare_routing(*choices, 64, local_experts=local, max_tokens=16)
    torch_moe_ttnn.prepare_grouping(*choices, 64, local_experts=local, max_tokens=16)
torch.tt.synchronize()
"""


def launched_kernels(folder: Path) -> list[Kernel]:
    """Return every kernel that the operators launch, on every chip, from what the emulated device lists."""
    kernels = []
    for chip in CHIPS:
        file = folder / f"{chip.name}.txt"
        runtime = {"TORCH_TT_RUNTIME": "emulated", "TORCH_TT_EMULATED_ARCH": chip.architecture}
        environment = os.environ | runtime | {"TORCH_TT_EMULATED_KERNELS": str(file)}
        subprocess.run([sys.executable, "-c", LAUNCHES], check=True, cwd=folder, env=environment)
        for line in sorted(set(file.read_text().splitlines())):
            name, processor, *compile_args = line.split()
            kernels.append(Kernel(chip, name, PROCESSORS[int(processor)], tuple(compile_args)))
    return kernels


def run(command: list, kernel: Kernel) -> None:
    """Run the compiler; raise RuntimeError with what it says where it fails."""
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if process.returncode != 0:
        raise RuntimeError(f"{kernel} does not compile:\n{process.stdout}")


def compile_kernel(kernel: Kernel, runtime: Path, folder: Path) -> int:
    """Compile and link a kernel in a folder of its own; return the bytes of its code."""
    folder.mkdir()
    chip, processor = kernel.chip, kernel.processor
    number = PROCESSORS.index(processor)
    metal = runtime / "tt_metal"
    hw = metal / "hw"
    llk = metal / f"tt-llk/tt_llk_{chip.architecture}"
    include = [
        *(folder, runtime, metal, hw / "inc", metal / "tt-llk/common", metal / "hostdevcommon/api", metal / "api"),
        *(hw / f"ckernels/{chip.architecture}/metal" / place for place in ("common", "llk_io")),
        hw / "inc/internal/tt-1xx",
        *(hw / f"inc/internal/tt-1xx/{chip.name}" / place for place in ("", f"{chip.architecture}_defines", "noc")),
        *(llk / "common/inc", llk / "llk_lib", hw / "firmware/src/tt-1xx", CSRC / "tt/kernels"),
    ]
    defines = [
        *chip.defines.split(),
        *("TENSIX_FIRMWARE", "KERNEL_BUILD", "LOCAL_MEM_EN=0", f"PROCESSOR_INDEX={number}"),
        *(f"COMPILE_FOR_{processor.upper()}", f"NOC_INDEX={number}", "NOC_MODE=0"),
        f"KERNEL_COMPILE_TIME_ARGS={','.join(kernel.compile_args)}",
    ]
    # The firmware's own main file includes the kernel by this name.
    (folder / "kernel_includes.hpp").write_text(f'#include "{CSRC}/tt/kernels/{kernel.name}.cpp"\n')
    compiler = [runtime / "runtime/sfpi/compiler/bin/riscv-tt-elf-g++", *FLAGS.split(), f"-mcpu={chip.cpu}"]
    source = hw / f"firmware/src/tt-1xx/{processor}k.cc"
    object_, elf = folder / "kernel.o", folder / "kernel.elf"
    run([*compiler, *(f"-I{i}" for i in include), *(f"-D{d}" for d in defines), "-c", source, "-o", object_], kernel)

    firmware = metal / f"pre-compiled/{chip.firmware}/{processor}/{processor}_weakened.elf"
    script = runtime / f"runtime/hw/toolchain/{chip.name}/kernel_{processor}.ld"
    start = "noc.o" if processor == "brisc" else chip.ncrisc_start
    objects = [runtime / f"runtime/hw/lib/{chip.name}" / name for name in (start, "substitutes.o") if name]
    link = [*LINK_FLAGS.split(), f"-Wl,--just-symbols={firmware}", f"-T{script}"]
    run([*compiler, *link, *objects, object_, "-o", elf], kernel)

    size = text_size(elf)
    if processor == "ncrisc" and chip.ncrisc_code is not None and size > chip.ncrisc_code:
        # TT-Metalium would copy what there is room for, and run it.
        raise RuntimeError(f"{kernel}: expected {chip.ncrisc_code} bytes of code at most, got {size}")
    return size


def text_size(elf: Path) -> int:
    """Return the bytes of an ELF file's .text."""
    sections = subprocess.run(["readelf", "-SW", elf], check=True, capture_output=True, text=True).stdout
    for line in sections.splitlines():
        words = line.rpartition("]")[2].split()
        if words[:1] == [".text"]:
            return int(words[4], 16)
    raise RuntimeError(f"{elf} has no .text")


def main() -> int:
    """Compile all; the exit status is 1 where a kernel does not compile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefix", type=Path, help="of TT-Metalium")
    runtime = parser.parse_args().prefix.absolute() / "runtime"
    failures = []
    largest = {}
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(os.cpu_count()) as pool:
        kernels = launched_kernels(Path(scratch))
        jobs = [pool.submit(compile_kernel, k, runtime, Path(scratch) / str(i)) for i, k in enumerate(kernels)]
        for kernel, job in zip(kernels, jobs, strict=True):
            try:
                processor = f"{kernel.chip.name} {kernel.processor}"
                largest[processor] = max(largest.get(processor, 0), job.result())
            except RuntimeError as error:
                failures.append(str(error))
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(kernels) - len(failures)} of {len(kernels)} kernels compile; bytes of the largest: {largest}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
