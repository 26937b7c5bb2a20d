#pragma once

#include <cstddef>
#include <tuple>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include "tt/backend/fallback/fallback.h"

namespace moe::tt {

// For what an operator's kernel does not serve: runs the operator with all its arguments on the CPU, with the
// fallback's warning. `Outputs` is a tuple of tensors.
template <typename Outputs, typename... Arguments>
Outputs by_way_of_host(const char* op, const Arguments&... arguments) {
  torch::jit::Stack stack;
  torch::jit::push(stack, arguments...);
  backend::fallback(c10::Dispatcher::singleton().findSchemaOrThrow(op, ""), &stack);
  return [&]<size_t... i>(std::index_sequence<i...>) {
    return Outputs{std::move(stack[i]).toTensor()...};
  }(std::make_index_sequence<std::tuple_size_v<Outputs>>());
}

}  // namespace moe::tt
