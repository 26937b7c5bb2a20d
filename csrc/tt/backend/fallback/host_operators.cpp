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

// Defines an operator of ours with the schema of aten's. Never destroyed, like what implement() returns.
void define(const char* name, const char* overload) {
  static auto& library = *new torch::Library(torch::Library::DEF, kNamespace, std::nullopt, __FILE__, __LINE__);
  auto& dispatcher = c10::Dispatcher::singleton();
  const auto op = dispatcher.findSchemaOrThrow((std::string("aten::") + name).c_str(), overload);
  const std::string ours = std::string(kNamespace) + "::" + name;
  library.def(op.schema().cloneWithName(ours, overload));
  substitutes().emplace(op.operator_name(), dispatcher.findSchemaOrThrow(ours.c_str(), overload));
}

}  // namespace

c10::OperatorHandle host_operator(const c10::OperatorHandle& op) {
  const auto found = substitutes().find(op.operator_name());
  return found == substitutes().end() ? op : found->second;
}

void define_host_operators() {
  define("_thnn_fused_lstm_cell", "");
  define("_thnn_fused_lstm_cell_backward_impl", "");
  define("_thnn_fused_gru_cell", "");
  define("_thnn_fused_gru_cell_backward", "");
  define("histc", "");
  define("histc", "out");
  define("convolution_overrideable", "");
  define("convolution_backward_overrideable", "");

  auto& cpu = implement(kNamespace, c10::DispatchKey::CPU);
  cpu.impl("_thnn_fused_lstm_cell", &fused_lstm_cell);
  cpu.impl("_thnn_fused_lstm_cell_backward_impl", &fused_lstm_cell_backward);
  cpu.impl("_thnn_fused_gru_cell", &fused_gru_cell);
  cpu.impl("_thnn_fused_gru_cell_backward", &fused_gru_cell_backward);
  cpu.impl("histc", &histc);
  cpu.impl("histc.out", &histc_out);
  cpu.impl("convolution_overrideable", &convolution);
  cpu.impl("convolution_backward_overrideable", &convolution_backward);
}

}  // namespace moe::tt::backend
