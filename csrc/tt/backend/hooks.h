#pragma once

#include <ATen/detail/PrivateUse1HooksInterface.h>

namespace moe::tt::backend {

at::PrivateUse1HooksInterface* hooks();

}  // namespace moe::tt::backend
