#include <torch/library.h>

#include "ops/prepare_grouping.h"
#include "tt/backend/fallback/fallback.h"

namespace moe::tt {

// By way of the host, with the fallback's warning. Named here, as the composite would come before the backend's
// fallback.
TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kPrepareGrouping, torch::CppFunction::makeFromBoxedFunction<&backend::fallback>());
}

}  // namespace moe::tt
