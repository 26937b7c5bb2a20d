#include "ops/grouped_linear.h"

#include <torch/library.h>

#include "tt/backend/fallback/fallback.h"

namespace moe::tt {

// By way of the host, as every matrix product of this backend. Named here, as the composite would come before the
// backend's fallback.
TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kGroupedLinear, torch::CppFunction::makeFromBoxedFunction<&backend::fallback>());
  m.impl(kGroupedLinearBackwardWeight, torch::CppFunction::makeFromBoxedFunction<&backend::fallback>());
}

}  // namespace moe::tt
