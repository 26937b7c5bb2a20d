#include "tt/runtime/metal/program.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <tt-metalium/circular_buffer_config.hpp>
#include <tt-metalium/core_coord.hpp>
#include <tt-metalium/distributed.hpp>

namespace moe::tt::runtime::metal {
namespace {

using metalium::CoreCoord;
using metalium::CoreRange;
using metalium::CoreRangeSet;
using metalium::DataMovementConfig;
using metalium::DataMovementProcessor;
using metalium::distributed::MeshCoordinateRange;
using metalium::distributed::MeshWorkload;

// Cores are numbered row by row: the end of a row, whole rows and the beginning of one.
CoreRangeSet core_ranges(const Cores& cores, uint32_t columns) {
  std::vector<CoreRange> ranges;
  const uint32_t end = cores.first + cores.count;
  for (uint32_t core = cores.first; core < end;) {
    const uint32_t x = core % columns;
    const uint32_t y = core / columns;
    const uint32_t rows = x == 0 ? (end - core) / columns : 0;
    const uint32_t count = rows > 0 ? rows * columns : std::min(columns - x, end - core);
    const CoreCoord last = rows > 0 ? CoreCoord(columns - 1, y + rows - 1) : CoreCoord(x + count - 1, y);
    ranges.emplace_back(CoreCoord(x, y), last);
    core += count;
  }
  return CoreRangeSet(std::move(ranges));
}

DataMovementConfig data_movement(const Kernel& kernel) {
  const bool first = kernel.processor == Processor::kRiscv0;
  DataMovementConfig config;
  config.processor = first ? DataMovementProcessor::RISCV_0 : DataMovementProcessor::RISCV_1;
  config.noc = first ? metalium::NOC::RISCV_0_default : metalium::NOC::RISCV_1_default;
  config.compile_args = kernel.compile_args;
  return config;
}

std::filesystem::path source_of(const std::string& folder, const Kernel& kernel) {
  auto path = std::filesystem::path(folder) / (kernel.name + ".cpp");
  if (!std::filesystem::exists(path)) {
    throw DeviceError(str("there is no kernel of this name: expected the file ", path.string()));
  }
  return path;
}

metalium::KernelHandle add_kernel(
    metalium::Program& program, const std::string& folder, const Kernel& kernel, uint32_t columns) {
  const auto handle = metalium::CreateKernel(
      program, source_of(folder, kernel).string(), core_ranges(kernel.cores, columns), data_movement(kernel));
  std::vector<CoreCoord> cores;
  for (uint32_t core = kernel.cores.first; core < kernel.cores.first + kernel.cores.count; ++core) {
    cores.emplace_back(core % columns, core / columns);
  }
  metalium::SetRuntimeArgs(program, handle, cores, kernel.runtime_args);
  return handle;
}

// Calls TT-Metalium; the DeviceError of what it throws names the program, and the kernel if there is one.
template <typename Call>
void building(const ProgramDescription& description, const std::string& kernel, const Call& call) {
  try {
    call();
  } catch (const std::exception& error) {
    throw DeviceError(str("program '", description.name, "'", kernel, ": ", explain(error.what())));
  }
}

metalium::Program program_without_kernels(const ProgramDescription& description, uint32_t columns) {
  metalium::Program program = metalium::CreateProgram();
  const CoreRangeSet cores = core_ranges(description.cores, columns);
  for (const CircularBuffer& buffer : description.circular_buffers) {
    const auto index = static_cast<uint8_t>(buffer.index);
    metalium::CircularBufferConfig config(buffer.page_size * buffer.num_pages, {{index, ::tt::DataFormat::UInt32}});
    metalium::CreateCircularBuffer(program, cores, config.set_page_size(index, buffer.page_size));
  }
  // Their ids count from 0, as the positions do.
  for (const uint32_t initial : description.semaphores) {
    metalium::CreateSemaphore(program, cores, initial);
  }
  return program;
}

// Compiles a kernel of the program, in a program of its own: TT-Metalium compiles a program's kernels at once, and when
// it throws for one that fails, its threads go on with the others and with what was on its stack. The whole program
// then finds them compiled.
void compile_alone(
    MeshDevice& device,
    const std::string& folder,
    const ProgramDescription& description,
    const Kernel& kernel,
    uint32_t columns) {
  building(description, str(", kernel '", kernel.name, "'"), [&] {
    metalium::Program program = program_without_kernels(description, columns);
    add_kernel(program, folder, kernel, columns);
    compile(device, program);
  });
}

}  // namespace

MetalProgram::MetalProgram(
    const std::shared_ptr<OpenChip>& chip,
    const std::string& folder,
    const DeviceProperties& properties,
    const ProgramDescription& description)
    : Program(description), ChipResource(chip) {
  chip->use(str("cannot build program '", name(), "'"), [&](MeshDevice& device) {
    const uint32_t columns = properties.grid_x;
    // Compiled now rather than at the first launch, so that a kernel that does not compile is known here.
    for (const Kernel& kernel : description.kernels) {
      compile_alone(device, folder, description, kernel, columns);
    }
    building(description, "", [&] {
      metalium::Program program = program_without_kernels(description, columns);
      for (const Kernel& kernel : description.kernels) {
        kernels_.push_back(add_kernel(program, folder, kernel, columns));
      }
      compile(device, program);
      workload_ = std::make_unique<MeshWorkload>();
      workload_->add_program(MeshCoordinateRange(device.shape()), std::move(program));
    });
    register_with_chip();
  });
}

void MetalProgram::launch(MeshDevice& device, std::span<const uint32_t> common_args) {
  set_common_args(common_args);
  metalium::distributed::EnqueueMeshWorkload(device.mesh_command_queue(), *workload_, /*blocking=*/false);
}

void MetalProgram::set_common_args(std::span<const uint32_t> common_args) {
  if (common_args.empty()) {
    return;
  }
  const metalium::Program& program = workload_->get_programs().begin()->second;
  for (const auto kernel : kernels_) {
    if (has_common_args_) {
      // TT-Metalium takes them once; after that they are changed where they are.
      std::ranges::copy(common_args, metalium::GetCommonRuntimeArgs(program, kernel).data());
    } else {
      metalium::SetCommonRuntimeArgs(program, kernel, {common_args.data(), common_args.size()});
    }
  }
  has_common_args_ = true;
}

}  // namespace moe::tt::runtime::metal
