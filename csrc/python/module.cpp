#include <torch/csrc/utils/pybind.h>

#include "contract/prepare_routing.h"
#include "ops/arguments.h"
#include "python/launch.h"
#include "python/tt.h"

// Importing the module loads the library and so registers the operators. What Python needs besides them is the
// contract's numbers and the words of the one check that a fake tensor passes before its Meta kernel runs.
PYBIND11_MODULE(_C, m) {
  m.attr("EXPERT_ALIGNMENT") = moe::kExpertAlignment;
  m.attr("PADDING_TOKEN") = moe::kPaddingToken;
  m.def("check_same_device", &moe::check_same_device);
  moe::python::bind_launch(m);
  moe::python::bind_tt(m);
}
