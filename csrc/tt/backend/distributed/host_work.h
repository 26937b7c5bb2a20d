#pragma once

#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/csrc/distributed/c10d/Work.hpp>

namespace moe::tt::backend {

// The tensors of one call, on the host.
class Staging {
 public:
  // What is sent; what is received; what is both.
  at::Tensor sent(const at::Tensor& tensor);
  at::Tensor received(const at::Tensor& tensor);
  at::Tensor exchanged(const at::Tensor& tensor);

  // The received ones.
  const std::vector<std::pair<at::Tensor, at::Tensor>>& copies() const {
    return copies_;
  }

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> copies_;  // where it goes; where it arrives, on the host
};

// The host's work, and the copies to the device behind it.
c10::intrusive_ptr<c10d::Work> host_work(c10::intrusive_ptr<c10d::Work> host, Staging staging);

}  // namespace moe::tt::backend
