#include "device.h"

#include <cstdlib>
#include <numeric>
#include <span>

#include "testing.h"
#include "tt/runtime/emulated/chip/chip.h"

namespace testing {

using namespace moe::tt;
using namespace moe::tt::runtime;

Environment::Environment(const char* name, const char* value) : name_(name) {
  if (const char* previous = std::getenv(name)) {
    previous_ = previous;
  }
  setenv(name, value, 1);
}

Environment::~Environment() {
  if (previous_) {
    setenv(name_, previous_->c_str(), 1);
  } else {
    unsetenv(name_);
  }
}

std::unique_ptr<Device> open_wormhole() {
  return make_emulated_runtime()->open(0);
}

std::unique_ptr<Device> open_blackhole() {
  Environment get_env("TORCH_TT_EMULATED_ARCH", "blackhole");
  return make_emulated_runtime()->open(0);
}

Kernel kernel(const std::string& name, std::vector<uint32_t> args, Cores cores, Processor processor) {
  Kernel kernel;
  kernel.name = name;
  kernel.processor = processor;
  kernel.cores = cores;
  kernel.runtime_args.assign(cores.count, args);
  return kernel;
}

void launch(
    Device& device,
    const ProgramDescription& description,
    const std::vector<std::shared_ptr<Buffer>>& buffers,
    const std::vector<uint32_t>& common_args) {
  device.launch(device.build(description), common_args, buffers);
  device.synchronize();
}

std::string failure_of(
    Device& device,
    const ProgramDescription& description,
    const std::vector<std::shared_ptr<Buffer>>& buffers,
    const std::vector<uint32_t>& common_args) {
  return message_of<DeviceError>([&] { launch(device, description, buffers, common_args); });
}

std::string Rule::broken_by(const std::string& name, std::vector<uint32_t> args) {
  const uint32_t columns = device_->properties().grid_x;
  auto source = is_written ? to_device(*device_, iota(3 * 16), 64) : device_->allocate(3 * 64, 64);
  Kernel breaking = kernel(name, std::move(args), {columns + 2, 1});
  breaking.compile_args = compile_args.empty() ? accessor_args({source}) : compile_args;
  ProgramDescription description{"p", {columns + 2, 2}, {{0, 64, 4}, {1, 16}}, {0}, {breaking}};
  description.num_written = num_written;
  std::string message = failure_of(*device_, description, {source}, {source->address(), 0});
  const std::string who = "program 'p': kernel '" + name + "' on core (2, 1), riscv0: ";
  return message.starts_with(who) ? message.substr(who.size()) : "who? " + message;
}

std::shared_ptr<Buffer> to_device(Device& device, const std::vector<uint32_t>& words, uint32_t page_size) {
  auto buffer = device.allocate(words.size() * sizeof(uint32_t), page_size);
  device.write(buffer, 0, std::as_bytes(std::span(words)));
  return buffer;
}

std::vector<uint32_t> to_host(Device& device, const std::shared_ptr<Buffer>& buffer) {
  std::vector<uint32_t> words(buffer->size() / sizeof(uint32_t));
  device.read(buffer, 0, std::as_writable_bytes(std::span(words)));
  return words;
}

std::vector<uint32_t> accessor_args(const std::vector<std::shared_ptr<Buffer>>& buffers) {
  std::vector<uint32_t> args;
  for (const auto& buffer : buffers) {
    args.push_back(emulated::kInterleavedDram);
    args.push_back(buffer->page_size());
  }
  return args;
}

std::vector<uint32_t> iota(uint32_t count, uint32_t first) {
  std::vector<uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

}  // namespace testing
