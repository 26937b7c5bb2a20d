#include "ops/tt/launchers.h"

#include <array>
#include <limits>
#include <mutex>

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include "contract/invalid_id.h"
#include "tt/backend/device/torch_device.h"

namespace moe::tt {
namespace {

// Elements that a page of padding may add to an output.
constexpr int64_t kMaxPageElements = 4096;

void raise_fault(Launcher& launcher) {
  if (const auto fault = launcher.take_fault()) {
    TORCH_CHECK_INDEX(
        false,
        id_out_of_range_message(fault->op, fault->position, fault->num_choices, fault->id, fault->num_experts),
        fault->more ? "; calls after it met such ids too" : "");
  }
}

struct LauncherOfDevice {
  at::Tensor faults;
  Launcher launcher;
};

}  // namespace

Launcher& launcher_of(const at::Tensor& tensor) {
  // Never destroyed: a device closes when the interpreter exits, and frees what its launches hold.
  static auto* const mutex = new std::mutex;
  static auto* const launchers = new std::array<LauncherOfDevice*, std::numeric_limits<c10::DeviceIndex>::max() + 1>();
  backend::OpenDevice& device = backend::open_device(tensor.device().index());
  const std::lock_guard lock(*mutex);
  LauncherOfDevice*& found = launchers->at(device.index());
  if (found == nullptr) {
    const auto bytes = static_cast<int64_t>(Launcher::fault_bytes(device.device().properties()));
    at::Tensor faults = at::empty({bytes}, tensor.options().dtype(at::kByte));
    found = new LauncherOfDevice{faults, {device.device(), flat_span(faults)}};
    device.add_check([launcher = &found->launcher] { raise_fault(*launcher); });
  }
  return found->launcher;
}

Span flat_span(const at::Tensor& tensor) {
  return backend::span_of(tensor);
}

Choices choices_of(const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts) {
  return {
      .ids = flat_span(selected_experts),
      .id_bytes = static_cast<uint32_t>(selected_experts.element_size()),
      .ids_signed = at::isSignedType(selected_experts.scalar_type()),
      .weights = flat_span(routing_weights),
      .weight_bytes = static_cast<uint32_t>(routing_weights.element_size()),
      .num_tokens = static_cast<uint32_t>(selected_experts.size(0)),
      .num_choices = static_cast<uint32_t>(selected_experts.size(1)),
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
