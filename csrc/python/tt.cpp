#include "python/tt.h"

#include <cstdlib>
#include <utility>

#include <c10/util/Exception.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/utils/pybind.h>

#include "tt/backend/device/current_device.h"
#include "tt/backend/device/fork.h"
#include "tt/backend/device/guard.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/fallback/fallback_mode.h"
#include "tt/backend/generator.h"
#include "tt/backend/memory/allocator.h"
#include "tt/backend/register.h"

namespace moe::python {
using namespace tt;
using namespace tt::backend;

namespace {

using torch::wrap_pybind_function;
using torch::wrap_pybind_function_no_gil;

void bind_devices(pybind11::module_& m) {
  m.def("register", wrap_pybind_function(&register_backend));
  m.def("device_count", &device_count);
  m.def("current_device", &current_device);
  m.def("exchange_device", wrap_pybind_function([](c10::DeviceIndex index) {
          check_device_index(index);
          return exchange_current_device(index);
        }));
  m.def("check_usable", wrap_pybind_function([] {
          check_not_forked();
          check_device_index(current_device());
        }));
  m.def("open", wrap_pybind_function_no_gil([](c10::DeviceIndex index) { open_device(index); }));
  m.def("is_open", [](c10::DeviceIndex index) { return !in_bad_fork() && find_open_device(index) != nullptr; });
  m.def("in_bad_fork", &in_bad_fork);
  // After the last Python code and before this library's own end.
  m.def("close_at_exit", [] {
    if (Py_AtExit([] { close_devices(); }) != 0) {
      std::atexit([] { close_devices(); });
    }
  });
  m.def("synchronize", wrap_pybind_function_no_gil([](c10::DeviceIndex index) { guard()->synchronizeDevice(index); }));
  m.def("num_launches", wrap_pybind_function([](c10::DeviceIndex index) {
          check_device_index(index);
          OpenDevice* device = find_open_device(index);
          return device == nullptr ? 0 : device->device().num_launches();
        }));
  m.def("dram_traffic", wrap_pybind_function_no_gil([](c10::DeviceIndex index) {
          runtime::Device& device = open_device(index).device();
          device.synchronize();
          const auto traffic = device.dram_traffic();
          TORCH_CHECK(
              traffic.has_value(),
              "tt:",
              static_cast<int>(index),
              " does not count what its kernels read and write; the emulated device does");
          return std::pair(traffic->read, traffic->written);
        }));
  m.def("properties", wrap_pybind_function_no_gil([](c10::DeviceIndex index) {
          return open_device(index).device().properties();
        }));
  pybind11::class_<runtime::DeviceProperties>(m, "Properties")
      .def_readonly("runtime", &runtime::DeviceProperties::runtime)
      .def_readonly("name", &runtime::DeviceProperties::name)
      .def_readonly("architecture", &runtime::DeviceProperties::architecture)
      .def_readonly("grid_x", &runtime::DeviceProperties::grid_x)
      .def_readonly("grid_y", &runtime::DeviceProperties::grid_y)
      .def_readonly("l1_size", &runtime::DeviceProperties::l1_size)
      .def_readonly("dram_banks", &runtime::DeviceProperties::dram_banks)
      .def_readonly("dram_size", &runtime::DeviceProperties::dram_size)
      .def_readonly("dram_alignment", &runtime::DeviceProperties::dram_alignment);
}

}  // namespace

void bind_tt(pybind11::module_& module) {
  auto m = module.def_submodule("tt");
  bind_devices(m);
  m.def("default_generator", wrap_pybind_function([](c10::DeviceIndex index) { return default_generator(index); }));
  m.def("fallback_mode", wrap_pybind_function(&fallback_mode));
  m.def("set_fallback_mode", wrap_pybind_function(&set_fallback_mode));
}

}  // namespace moe::python
