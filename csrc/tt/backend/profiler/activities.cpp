// Launches as activities of the device in torch.profiler: Kineto, which is behind it, asks for those that ended between
// the start and the stop of a trace.

#define FMT_HEADER_ONLY  // Kineto's headers use torch's fmt, which no library exports.

#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <kineto/libkineto.h>
#include <kineto/output_base.h>

#include "tt/backend/profiler/launch_trace.h"
#include "tt/backend/register.h"

namespace moe::tt::backend {
namespace {

using libkineto::ActivityType;

// Nanoseconds of Kineto's clock, which is the system's, for a time of the queue's.
class Clock {
 public:
  int64_t operator()(Event::Clock::time_point time) const {
    return (std::chrono::nanoseconds(time.time_since_epoch()) - steady_).count();
  }

 private:
  // How far the one is ahead of the other.
  const std::chrono::nanoseconds steady_ =
      std::chrono::nanoseconds(Event::Clock::now().time_since_epoch()) -
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch());
};

class Session final : public libkineto::IActivityProfilerSession {
 public:
  void start() override {
    begin_tracing();
    status_ = libkineto::TraceStatus::RECORDING;
  }

  void stop() override {
    end_tracing();
    status_ = libkineto::TraceStatus::PROCESSING;
  }

  void pushCorrelationId(uint64_t id) override {
    enter_operation(id);
  }

  void popCorrelationId() override {
    leave_operation();
  }

  void processTrace(libkineto::ActivityLogger& logger) override {
    processTrace(logger, [](int32_t) { return nullptr; }, 0, 0);
  }

  void processTrace(
      libkineto::ActivityLogger& logger,
      libkineto::getLinkedActivityCallback find_operation,
      int64_t /*begin*/,
      int64_t /*end*/) override {
    const Clock clock;
    for (const TracedLaunch& launch : take_traced_launches()) {
      try {
        buffer_->emplace_activity(buffer_->span, ActivityType::CONCURRENT_KERNEL, launch.kernel);
        libkineto::GenericTraceActivity& activity = *buffer_->activities.back();
        activity.startTime = clock(launch.begin.time());
        activity.endTime = clock(launch.end.time());
        activity.device = launch.device;
        activity.id = static_cast<int32_t>(launch.operation);
        activity.linked = find_operation(static_cast<int32_t>(launch.operation));
        activity.log(logger);
        ++buffer_->gpuOpCount;
        devices_.insert(launch.device);
      } catch (const std::exception& error) {
        buffer_->activities.pop_back();
        errors_.push_back(launch.kernel + ": " + error.what());
      }
    }
  }

  std::vector<std::string> errors() override {
    return errors_;
  }

  // Kineto asks for one device. Where there are more, their queues have names.
  std::unique_ptr<libkineto::DeviceInfo> getDeviceInfo() override {
    if (devices_.size() != 1) {
      return nullptr;
    }
    const int64_t device = *devices_.begin();
    const std::string name = "tt:" + std::to_string(device);
    return std::make_unique<libkineto::DeviceInfo>(
        libkineto::DeviceInfo{device, libkineto::kExceedMaxPid + device, name, name});
  }

  std::vector<libkineto::ResourceInfo> getResourceInfos() override {
    std::vector<libkineto::ResourceInfo> queues;
    for (const int64_t device : devices_) {
      queues.push_back({0, 0, device, "queue of tt:" + std::to_string(device)});
    }
    return queues;
  }

  std::unique_ptr<libkineto::CpuTraceBuffer> getTraceBuffer() override {
    return std::move(buffer_);
  }

 private:
  static std::unique_ptr<libkineto::CpuTraceBuffer> make_buffer() {
    auto buffer = std::make_unique<libkineto::CpuTraceBuffer>();
    buffer->span = libkineto::TraceSpan(0, 0, "tt");
    buffer->gpuOpCount = 0;
    return buffer;
  }

  std::unique_ptr<libkineto::CpuTraceBuffer> buffer_ = make_buffer();
  std::set<int64_t> devices_;
  std::vector<std::string> errors_;
};

class Profiler final : public libkineto::IActivityProfiler {
 public:
  const std::string& name() const override {
    static const std::string name = "tt";
    return name;
  }

  const std::set<ActivityType>& availableActivities() const override {
    static const std::set<ActivityType> available{ActivityType::CONCURRENT_KERNEL};
    return available;
  }

  std::unique_ptr<libkineto::IActivityProfilerSession> configure(
      const std::set<ActivityType>& wanted, const libkineto::Config&) override {
    return wanted.contains(ActivityType::CONCURRENT_KERNEL) ? std::make_unique<Session>() : nullptr;
  }

  std::unique_ptr<libkineto::IActivityProfilerSession> configure(
      int64_t, int64_t, const std::set<ActivityType>& wanted, const libkineto::Config& config) override {
    return configure(wanted, config);
  }
};

}  // namespace

void register_activities() {
  libkineto::api().registerProfilerFactory([] { return std::make_unique<Profiler>(); });
}

}  // namespace moe::tt::backend
