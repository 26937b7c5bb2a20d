#include "ops/tt/launchers.h"

#include <array>
#include <limits>
#include <mutex>

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include "tt/backend/device/torch_device.h"
#include "tt/backend/memory/device_span.h"

namespace moe::tt {
namespace {

// Kernels number the elements of whole pages, and the last page may go on after the output. An element is a byte or
// more.
constexpr int64_t kMaxPageElements = kernels::kMaxPageSize;

void raise_invalid_id(launch::Launcher& launcher) {
  if (const auto invalid = launcher.invalid_ids.take()) {
    TORCH_CHECK_INDEX(false, invalid->message());
  }
}

struct LauncherOfDevice {
  at::Tensor records;  // keeps the launcher's memory
  launch::Launcher launcher;
};

}  // namespace

launch::Launcher& launcher_of(const at::Tensor& tensor) {
  // Never destroyed: a device closes when the interpreter exits, and frees what its launches hold.
  static auto* const mutex = new std::mutex;
  static auto* const launchers = new std::array<LauncherOfDevice*, std::numeric_limits<c10::DeviceIndex>::max() + 1>();
  backend::TorchDevice& device = backend::open_device(tensor.device().index());
  const std::lock_guard lock(*mutex);
  LauncherOfDevice*& found = launchers->at(device.index());
  if (found == nullptr) {
    const auto bytes = static_cast<int64_t>(launch::InvalidIds::num_bytes(device.runtime_device().properties()));
    at::Tensor records = at::empty({bytes}, tensor.options().dtype(at::kByte));
    found = new LauncherOfDevice{records, {device.runtime_device(), backend::span_of(records)}};
    device.set_launch_check([launcher = &found->launcher] { raise_invalid_id(*launcher); });
  }
  return found->launcher;
}

launch::RouterChoices router_choices(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts) {
  return {
      .ids = launch::flat_tensor(backend::span_of(selected_experts)),
      .id_size = static_cast<uint32_t>(selected_experts.element_size()),
      .ids_signed = at::isSignedType(selected_experts.scalar_type()),
      .weights = launch::flat_tensor(backend::span_of(routing_weights)),
      .weight_size = static_cast<uint32_t>(routing_weights.element_size()),
      .num_tokens = static_cast<uint32_t>(selected_experts.size(0)),
      .top_k = static_cast<uint32_t>(selected_experts.size(1)),
      .num_experts = static_cast<uint32_t>(num_experts)};
}

void check_num_elements(const char* op, const char* output, int64_t rows, int64_t columns) {
  TORCH_CHECK(
      rows * columns <= std::numeric_limits<uint32_t>::max() - kMaxPageElements,
      op,
      ": expected fewer than 2^32 - ",
      kMaxPageElements,
      " elements of ",
      output,
      " on a tt device, got shape [",
      rows,
      ", ",
      columns,
      "]; route the tokens in several calls");
}

}  // namespace moe::tt
