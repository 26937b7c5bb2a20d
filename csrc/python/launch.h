#pragma once

#include <pybind11/pybind11.h>

namespace moe::python {

// Adds the submodule `launch`, which the Python package torch_moe_ttnn.ttnn is written with: launches as data.
void bind_launch(pybind11::module_& module);

}  // namespace moe::python
