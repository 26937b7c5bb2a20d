#include "tt/runtime/capture.h"

#include "tt/support/str.h"

namespace moe::tt::runtime {
namespace {

// One for each device on which the thread captures, and those that have ended since the last one began.
thread_local std::vector<std::weak_ptr<Capture>> of_thread;

}  // namespace

Capture::Capture(const void* device, std::shared_ptr<std::atomic<uint32_t>> count)
    : device_(device), count_(std::move(count)) {
  ++*count_;
}

Capture::~Capture() {
  --*count_;
}

std::shared_ptr<Capture> Capture::of_this_thread(const void* device) {
  for (const auto& weak : of_thread) {
    if (auto capture = weak.lock(); capture != nullptr && capture->device_ == device) {
      return capture;
    }
  }
  return nullptr;
}

void Capture::refuse(const std::string& reason) {
  if (!refused_) {
    refused_ = reason;
  }
  throw DeviceError(reason);
}

std::shared_ptr<Capture> Device::begin_capture() {
  check_open();
  if (is_capturing()) {
    throw DeviceError(
        str("expected one capture of a thread on ", properties().runtime, " device ", index_, ", got a second one"));
  }
  std::erase_if(of_thread, [](const auto& weak) { return weak.expired(); });
  auto capture = std::make_shared<Capture>(this, num_captures_);
  of_thread.push_back(capture);
  return capture;
}

bool Device::is_capturing() const {
  return Capture::of_this_thread(this) != nullptr;
}

std::shared_ptr<Graph> Device::end_capture(std::shared_ptr<Capture>& capture) {
  check_open();
  if (capture == nullptr || capture != Capture::of_this_thread(this)) {
    throw DeviceError(
        str("expected the capture that this thread began on ",
            properties().runtime,
            " device ",
            index_,
            ", got another one: a capture ends on the thread that began it"));
  }
  // It has ended, whatever comes of it.
  const auto ended = std::exchange(capture, nullptr);
  std::vector<CapturedLaunch> launches = std::move(ended->launches_);
  const auto refused = ended->refused_;
  std::erase_if(of_thread, [&](const auto& weak) { return weak.lock() == ended; });
  if (refused) {
    throw DeviceError(str("nothing was captured, since ", *refused));
  }
  return do_capture(std::move(launches));
}

void Device::refuse_in_capture(const std::string& what) const {
  if (const auto capture = Capture::of_this_thread(this)) {
    capture->refuse(str(
        what, " cannot be captured: a graph holds launches of kernels alone. Do it before the capture or after it"));
  }
}

bool Device::try_capture(
    const std::shared_ptr<Program>& program,
    std::span<const uint32_t> common_args,
    std::span<const std::shared_ptr<Buffer>> buffers) const {
  const auto capture = Capture::of_this_thread(this);
  if (capture == nullptr) {
    return false;
  }
  // TT-Metalium sends a program's binaries to the chip with its first launch, and cannot do so in a trace.
  if (!program->was_launched()) {
    capture->refuse(
        str("the first launch of program '",
            program->name(),
            "' cannot be captured: run what is to be captured once before, with the same shapes and dtypes"));
  }
  check_num_common_args(*program, common_args.size());
  capture->launches_.emplace_back(program, common_args, buffers);
  return true;
}

}  // namespace moe::tt::runtime
