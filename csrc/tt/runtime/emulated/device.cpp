#include "tt/runtime/emulated/device.h"

#include <utility>
#include <vector>

#include "tt/runtime/capture.h"
#include "tt/runtime/emulated/event.h"

namespace moe::tt::runtime::emulated {

EmulatedDevice::EmulatedDevice(Chip chip, const Checks& checks, uint32_t index)
    : Device(index),
      chip_(std::move(chip)),
      dram_(std::make_shared<Dram>(chip_, checks.all)),
      runner_(std::make_unique<ProgramRunner>(chip_, checks, *dram_, traffic_)),
      queue_(std::make_unique<CommandQueue>()) {}

EmulatedDevice::~EmulatedDevice() {
  do_close();
}

std::shared_ptr<Buffer> EmulatedDevice::do_allocate(uint64_t size, uint32_t page_size) {
  return dram_->allocate(size, page_size);
}

void EmulatedDevice::do_write(
    const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<const std::byte> source, RestOfPage rest) {
  auto target = std::static_pointer_cast<DramBuffer>(buffer);
  if (queue_->try_run([&] { target->dram()->write(*target, offset, source, rest); })) {
    return;
  }
  queue_->enqueue(
      [target, offset, rest, copy = std::vector<std::byte>(source.begin(), source.end())] {
        target->dram()->write(*target, offset, copy, rest);
      },
      source.size());
}

void EmulatedDevice::do_read(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<std::byte> destination) {
  auto source = std::static_pointer_cast<DramBuffer>(buffer);
  queue_->run([&] { source->dram()->read(*source, offset, destination); });
}

std::pair<uint32_t, uint32_t> EmulatedDevice::do_noc_coordinates(uint32_t core) const {
  auto [x, y] = chip_.noc(core);
  return {x, y};
}

std::vector<uint32_t> EmulatedDevice::tensor_accessor_args() const {
  return {kInterleavedDram, 0};
}

std::shared_ptr<Program> EmulatedDevice::do_build(const ProgramDescription& description) {
  return std::make_shared<EmulatedProgram>(chip_, dram_, description);
}

void EmulatedDevice::do_launch(
    const std::shared_ptr<Program>& program,
    std::span<const uint32_t> common_args,
    std::span<const std::shared_ptr<Buffer>> buffers) {
  std::vector<std::shared_ptr<DramBuffer>> own_buffers;
  for (const auto& buffer : buffers) {
    own_buffers.push_back(std::static_pointer_cast<DramBuffer>(buffer));
  }
  queue_->enqueue([runner = runner_.get(),
                   own_program = std::static_pointer_cast<EmulatedProgram>(program),
                   common_args = std::vector<uint32_t>(common_args.begin(), common_args.end()),
                   own_buffers = std::move(own_buffers)] { runner->run(*own_program, common_args, own_buffers); });
}

std::shared_ptr<Graph> EmulatedDevice::do_capture(std::vector<CapturedLaunch> launches) {
  return std::make_shared<Graph>(owner(), std::move(launches));
}

void EmulatedDevice::do_replay(const std::shared_ptr<Graph>& graph) {
  for (const CapturedLaunch& launch : graph->launches()) {
    do_launch(launch.program(), launch.common_args(), launch.buffers());
  }
}

bool EmulatedDevice::do_wait_for_room(std::chrono::milliseconds longest) {
  return queue_->wait_for_room(longest);
}

void EmulatedDevice::do_throw_failure() {
  queue_->throw_failure();
}

std::shared_ptr<Event> EmulatedDevice::do_record(bool timed) {
  auto event = std::make_shared<EmulatedEvent>(dram_);
  if (timed) {
    const auto look = [event] { event->time = std::chrono::steady_clock::now(); };
    if (!queue_->try_run(look)) {
      queue_->enqueue(look);
    }
  }
  // Counted after that command, and perhaps after others that another thread has enqueued meanwhile.
  event->commands = queue_->num_enqueued();
  return event;
}

bool EmulatedDevice::do_query(const Event& event) {
  return queue_->has_ended(static_cast<const EmulatedEvent&>(event).commands);
}

bool EmulatedDevice::do_query() {
  return queue_->has_ended(queue_->num_enqueued());
}

bool EmulatedDevice::do_wait(const Event& event, std::chrono::milliseconds longest) {
  return queue_->wait_for(static_cast<const EmulatedEvent&>(event).commands, longest);
}

DramUsage EmulatedDevice::do_dram_usage() {
  return dram_->usage();
}

void EmulatedDevice::do_close() noexcept {
  if (!runner_) {
    return;
  }
  if (!process_.is_current()) {
    // Their threads are not here to be joined.
    queue_.release();
    runner_.release();
    return;
  }
  queue_->close();
  runner_.reset();
  dram_->close();
}

}  // namespace moe::tt::runtime::emulated
