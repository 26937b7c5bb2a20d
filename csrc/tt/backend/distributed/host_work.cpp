#include "tt/backend/distributed/host_work.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/empty_like.h>

namespace moe::tt::backend {
namespace {

using c10::ivalue::Future;

// What arrives on the host, until it is on the device. Shared by a work and its future, of which either may be the
// first to see the end.
class Arrival {
 public:
  explicit Arrival(Staging staging) : staging_(std::move(staging)) {}

  // Copies once. As on other devices, autograd sees nothing of it.
  void deliver() {
    const std::lock_guard lock(mutex_);
    if (delivered_) {
      return;
    }
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    for (const auto& [tensor, host] : staging_.copies()) {
      tensor.copy_(host);
    }
    delivered_ = true;
  }

  std::vector<at::Tensor> tensors() const {
    std::vector<at::Tensor> tensors;
    for (const auto& [tensor, host] : staging_.copies()) {
      tensors.push_back(tensor);
    }
    return tensors;
  }

 private:
  const Staging staging_;
  std::mutex mutex_;
  bool delivered_ = false;
};

c10::intrusive_ptr<Future> future_behind(Future& host, std::shared_ptr<Arrival> arrival) {
  std::vector<c10::Device> devices;
  for (const at::Tensor& tensor : arrival->tensors()) {
    if (!tensor.is_cpu() && std::ranges::find(devices, tensor.device()) == devices.end()) {
      devices.push_back(tensor.device());
    }
  }
  std::ranges::sort(devices, {}, &c10::Device::index);
  auto future = c10::make_intrusive<Future>(c10::ListType::create(c10::TensorType::get()), std::move(devices));
  host.addCallback([future, arrival = std::move(arrival)](Future& ended) {
    if (ended.hasError()) {
      future->setError(ended.exception_ptr());
      return;
    }
    // On a thread of the host's backend, which an exception would end.
    try {
      arrival->deliver();
      future->markCompleted(arrival->tensors());
    } catch (...) {
      future->setErrorIfNeeded(std::current_exception());
    }
  });
  return future;
}

class HostWork final : public c10d::Work {
 public:
  HostWork(c10::intrusive_ptr<c10d::Work> host, Staging staging)
      : host_(std::move(host)), arrival_(std::make_shared<Arrival>(std::move(staging))) {}

  // Who polls reads the tensors once this is true.
  bool isCompleted() override {
    const bool completed = host_->isCompleted();
    if (completed && host_->isSuccess()) {
      arrival_->deliver();
    }
    return completed;
  }

  bool isSuccess() const override {
    return host_->isSuccess();
  }

  std::exception_ptr exception() const override {
    return host_->exception();
  }

  int sourceRank() const override {
    return host_->sourceRank();
  }

  std::vector<at::Tensor> result() override {
    host_->result();  // throws before the end
    arrival_->deliver();
    return arrival_->tensors();
  }

  void synchronize() override {
    host_->synchronize();
    arrival_->deliver();
  }

  bool wait(std::chrono::milliseconds timeout) override {
    const bool completed = host_->wait(timeout);
    if (completed) {
      arrival_->deliver();
    }
    return completed;
  }

  // The device's queue is in order, and what is enqueued next needs what arrives.
  void blockCurrentStream() override {
    wait(kNoTimeout);
  }

  void abort() override {
    host_->abort();
  }

  c10::intrusive_ptr<Future> getFuture() override {
    return future_behind(*host_->getFuture(), arrival_);
  }

  c10::intrusive_ptr<Future> getFutureResult() override {
    return host_->getFutureResult();
  }

  float getDuration() const override {
    return host_->getDuration();
  }

  uint64_t getSequencenumber() const override {
    return host_->getSequencenumber();
  }

 private:
  const c10::intrusive_ptr<c10d::Work> host_;
  const std::shared_ptr<Arrival> arrival_;
};

}  // namespace

at::Tensor Staging::sent(const at::Tensor& tensor) {
  return tensor.detach().cpu();
}

at::Tensor Staging::received(const at::Tensor& tensor) {
  if (tensor.is_cpu()) {
    return tensor;
  }
  return copies_.emplace_back(tensor, at::empty_like(tensor, tensor.options().device(at::kCPU))).second;
}

at::Tensor Staging::exchanged(const at::Tensor& tensor) {
  if (tensor.is_cpu()) {
    return tensor;
  }
  return copies_.emplace_back(tensor, sent(tensor)).second;
}

c10::intrusive_ptr<c10d::Work> host_work(c10::intrusive_ptr<c10d::Work> host, Staging staging) {
  if (staging.copies().empty()) {
    return host;
  }
  return c10::make_intrusive<HostWork>(std::move(host), std::move(staging));
}

}  // namespace moe::tt::backend
