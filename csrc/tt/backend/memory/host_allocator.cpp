#include "tt/backend/memory/host_allocator.h"

#include <c10/core/CPUAllocator.h>

namespace moe::tt::backend {
namespace {

class HostAllocator final : public at::HostAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    return c10::GetCPUAllocator()->allocate(bytes);
  }

  c10::DeleterFnPtr raw_deleter() const override {
    return c10::GetCPUAllocator()->raw_deleter();
  }

  void copy_data(void* destination, const void* source, size_t size) const override {
    default_copy_data(destination, source, size);
  }

  // A copy to the device has taken the bytes when it returns: no stream uses the memory.
  bool record_event(void*, void*, c10::Stream) override {
    return false;
  }

  void empty_cache() override {}

  at::HostStats get_stats() override {
    return {};
  }

  void reset_accumulated_stats() override {}

  void reset_peak_stats() override {}
};

}  // namespace

at::HostAllocator* host_allocator() {
  static auto* const instance = new HostAllocator;
  return instance;
}

}  // namespace moe::tt::backend
