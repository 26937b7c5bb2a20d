#include "tt/backend/fallback/host_operators.h"

#include <unordered_map>

#include "tt/backend/fallback/host_kernels.h"
#include "tt/backend/library.h"

namespace moe::tt::backend {
namespace {

constexpr const char* kNamespace = "tt_host";

std::unordered_map<c10::OperatorName, c10::OperatorHandle>& substitutes() {
  static auto* const instance = new std::unordered_map<c10::OperatorName, c10::OperatorHandle>;
  return *instance;
}

// Defines an operator with the schema of aten's, and implements it for the CPU.
template <typename Kernel>
void define(const char* name, const char* overload, Kernel* kernel) {
  static auto& definitions =
      *new torch::Library(torch::Library::FRAGMENT, kNamespace, std::nullopt, __FILE__, __LINE__);
  static auto& kernels = implement(kNamespace, c10::DispatchKey::CPU);
  auto& dispatcher = c10::Dispatcher::singleton();
  const auto op = dispatcher.findSchemaOrThrow((std::string("aten::") + name).c_str(), overload);
  const std::string ours = std::string(kNamespace) + "::" + name;
  definitions.def(op.schema().cloneWithName(ours, overload));
  const std::string full_name = *overload == '\0' ? name : std::string(name) + "." + overload;
  kernels.impl(full_name.c_str(), kernel);
  substitutes().emplace(op.operator_name(), dispatcher.findSchemaOrThrow(ours.c_str(), overload));
}

}  // namespace

c10::OperatorHandle host_operator(const c10::OperatorHandle& op) {
  const auto found = substitutes().find(op.operator_name());
  return found == substitutes().end() ? op : found->second;
}

void define_host_operators() {
  define("_thnn_fused_lstm_cell", "", &fused_lstm_cell);
  define("_thnn_fused_lstm_cell_backward_impl", "", &fused_lstm_cell_backward);
  define("_thnn_fused_gru_cell", "", &fused_gru_cell);
  define("_thnn_fused_gru_cell_backward", "", &fused_gru_cell_backward);
  define("histc", "", &histc);
  define("histc", "out", &histc_out);
  define("convolution_overrideable", "", &convolution);
  define("convolution_backward_overrideable", "", &convolution_backward);
}

}  // namespace moe::tt::backend
