#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

namespace moe {

// The operator of this name, to call.
template <typename Signature>
c10::TypedOperatorHandle<Signature> find_operator(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

}  // namespace moe
