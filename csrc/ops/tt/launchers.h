#pragma once

// What every operator does with tensors on tt before it launches.

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "tt/launch/launcher.h"
#include "tt/launch/router_choices.h"

namespace moe::tt {

// This thread's launcher on the tensor's device. From the first call on, this thread's synchronisations of that device
// and copies to the host raise the invalid ids that kernels report of this thread's calls.
launch::Launcher& launcher_of(const at::Tensor& tensor);

// A contiguous tensor's memory as launches take it. The tensor must live until the launch.
launch::Tensor flat_tensor(const at::Tensor& tensor);

// Arguments that were checked, with choices and rows, as a launch takes them. Must live until the launch: it keeps the
// tensors, made contiguous.
class RouterInputs {
 public:
  RouterInputs(
      const at::Tensor& selected_experts,
      const at::Tensor& routing_weights,
      int64_t num_experts,
      const std::optional<at::Tensor>& local_experts);

  const launch::RouterChoices& choices() const {
    return choices_;
  }

 private:
  launch::Tensor flat(const at::Tensor& tensor);

  std::vector<at::Tensor> tensors_;
  launch::RouterChoices choices_;
};

// Whether no choice can have a place in an operator's outputs, whatever the ids.
bool has_no_places(
    const at::Tensor& selected_experts,
    const std::optional<at::Tensor>& local_experts,
    std::optional<int64_t> max_tokens = std::nullopt);

// Reports invalid ids as the operator's kernels do, which are not launched where there are no places.
void check_ids(
    const char* op,
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts);

// Raises unless an output's elements can be numbered with 32 bits, as kernels do. Comes before the output's allocation.
void check_num_elements(const char* op, const char* output, int64_t rows, int64_t columns);

}  // namespace moe::tt
