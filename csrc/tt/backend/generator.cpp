#include "tt/backend/generator.h"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/util/Exception.h>

#include <mutex>
#include <utility>
#include <vector>

#include "tt/backend/device/devices.h"

namespace moe::tt::backend {
namespace {

class GeneratorImpl final : public c10::GeneratorImpl {
 public:
  GeneratorImpl(c10::DeviceIndex index, at::Generator host)
      : c10::GeneratorImpl({c10::kPrivateUse1, index}, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1)),
        host_(std::move(host)) {}

  static c10::DeviceType device_type() {
    return c10::kPrivateUse1;
  }

  at::Generator host() const {
    const std::lock_guard lock(host_mutex_);
    return host_;
  }

  // Locks the host's generator, too: PyTorch locks this one, and the CPU's kernels that draw lock the other.
  template <typename Function>
  auto with_host(const Function& function) const {
    at::Generator host = this->host();
    const std::lock_guard lock(host.mutex());
    return function(host);
  }

  void set_current_seed(uint64_t seed) override {
    with_host([&](at::Generator& host) { host.set_current_seed(seed); });
  }
  uint64_t current_seed() const override {
    return with_host([](const at::Generator& host) { return host.current_seed(); });
  }
  uint64_t seed() override {
    return with_host([](at::Generator& host) { return host.seed(); });
  }
  // The CPU's generator has no offset, but PyTorch asks a device's for one to pickle or copy it.
  void set_offset(uint64_t offset) override {
    TORCH_CHECK(offset == 0, "expected 0 for the offset of a tt generator, which has none, got ", offset);
  }
  uint64_t get_offset() const override {
    return 0;
  }
  void set_state(const c10::TensorImpl& state) override {
    with_host([&](at::Generator& host) { host.unsafeGetGeneratorImpl()->set_state(state); });
  }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    return with_host([](at::Generator& host) { return host.unsafeGetGeneratorImpl()->get_state(); });
  }
  // The state itself, not a copy: a compiled graph lends a generator another one's for an operator that it recomputes.
  void graphsafe_set_state(const c10::intrusive_ptr<c10::GeneratorImpl>& other) override {
    auto host = host_generator(at::Generator(other));
    const std::lock_guard lock(host_mutex_);
    host_ = std::move(host);
  }
  c10::intrusive_ptr<c10::GeneratorImpl> graphsafe_get_state() const override {
    return c10::make_intrusive<GeneratorImpl>(device_.index(), host());
  }

 private:
  GeneratorImpl* clone_impl() const override {
    return with_host([&](at::Generator& host) { return new GeneratorImpl(device_.index(), host.clone()); });
  }

  mutable std::mutex host_mutex_;  // not mutex_, which PyTorch holds while it calls these
  at::Generator host_;
};

// Seeds them like the CPU's: a torch.manual_seed that came first counts for the devices too.
std::vector<at::Generator>* make_default_generators() {
  const uint64_t seed = at::detail::getDefaultCPUGenerator().current_seed();
  auto* generators = new std::vector<at::Generator>;
  for (c10::DeviceIndex index = 0; index < device_count(); ++index) {
    generators->push_back(at::make_generator<GeneratorImpl>(index, at::detail::createCPUGenerator(seed)));
  }
  return generators;
}

}  // namespace

at::Generator make_generator(c10::DeviceIndex index) {
  return at::make_generator<GeneratorImpl>(device_index_or_current(index), at::detail::createCPUGenerator());
}

const at::Generator& default_generator(c10::DeviceIndex index) {
  index = device_index_or_current(index);
  check_device_index(index);
  // Never destroyed: Python may hold them until the process ends.
  static const auto* const generators = make_default_generators();
  return (*generators)[index];
}

at::Generator host_generator(const at::Generator& generator) {
  return at::check_generator<GeneratorImpl>(generator)->host();
}

}  // namespace moe::tt::backend
