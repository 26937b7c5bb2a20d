#pragma once

#include <pybind11/pybind11.h>

namespace moe::python {

// Adds the submodule `tt`, which the Python package torch_moe_ttnn.tt is written with.
void bind_tt(pybind11::module_& module);

}  // namespace moe::python
