#include "python/tt.h"

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <c10/util/Exception.h>
#include <pybind11/operators.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/utils/pybind.h>

#include "ops/tt/graph.h"
#include "ops/tt/routing_plans.h"
#include "tt/backend/device/devices.h"
#include "tt/backend/device/interrupts.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/distributed/host_backend.h"
#include "tt/backend/fallback/fallback.h"
#include "tt/backend/fallback/report.h"
#include "tt/backend/generator.h"
#include "tt/backend/memory/borrowed.h"
#include "tt/backend/register.h"
#include "tt/runtime/plugin.h"

namespace moe::python {
using namespace tt;
using namespace tt::backend;

namespace {

using torch::wrap_pybind_function;
using torch::wrap_pybind_function_no_gil;

// Python runs them in its main thread only, which is the process's as a rule.
void run_signal_handlers() {
  if (gettid() != getpid()) {
    return;
  }
  const pybind11::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) {
    python_error raised;
    raised.persist();
    throw raised;
  }
}

// A daemon thread that comes back to Python when that has ended would end the process with an abort.
struct StaysAwayFromTheEnd {
  ~StaysAwayFromTheEnd() {
    while (Py_IsInitialized() == 0 && gettid() != getpid()) {
      pause();
    }
  }
};

void wait_beside_python(const Wait& wait) {
  const StaysAwayFromTheEnd stays_away;
  if (Py_IsInitialized() == 0) {
    wait(nullptr);
    return;
  }
  // Most of PyTorch's functions have let go of it already.
  std::optional<pybind11::gil_scoped_release> no_gil;
  if (PyGILState_Check() != 0) {
    no_gil.emplace();
  }
  const StaysAwayFromTheEnd stays_away_without_it;
  wait(&run_signal_handlers);
}

void bind_devices(pybind11::module_& m) {
  set_wait_for_user(&wait_beside_python);
  m.def("register", wrap_pybind_function([] {
          register_backend();
          register_graphs();
        }));
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
  m.def("uses_chip", [](c10::DeviceIndex index) {
    const TorchDevice* device = in_bad_fork() ? nullptr : find_open_device(index);
    const auto use = device == nullptr ? runtime::ChipUse::kNone : device->chip_use();
    return use == runtime::ChipUse::kOwned || use == runtime::ChipUse::kBorrowed;
  });
  m.def("begin_opening_elsewhere", wrap_pybind_function_no_gil(&begin_opening_elsewhere));
  m.def("end_opening_elsewhere", wrap_pybind_function_no_gil(&end_opening_elsewhere));
  m.def("in_bad_fork", &in_bad_fork);
  // After the last Python code and before this library's own end.
  m.def("close_at_exit", [] {
    if (Py_AtExit([] { close_devices(); }) != 0) {
      std::atexit([] { close_devices(); });
    }
  });
  m.def("is_capturing", [](c10::DeviceIndex index) {
    const TorchDevice* device = in_bad_fork() ? nullptr : find_open_device(index);
    return device != nullptr && device->is_capturing();
  });
  m.def("num_launches", wrap_pybind_function([](c10::DeviceIndex index) {
          check_device_index(index);
          TorchDevice* device = find_open_device(index);
          return device == nullptr ? 0 : device->runtime_device().num_launches();
        }));
  m.def("dram_traffic", wrap_pybind_function_no_gil([](c10::DeviceIndex index) {
          runtime::Device& device = open_device(index).runtime_device();
          wait_for_user([&](const runtime::Meanwhile& meanwhile) { device.synchronize(meanwhile); });
          const auto traffic = device.dram_traffic();
          TORCH_CHECK(
              traffic.has_value(),
              "tt:",
              static_cast<int>(index),
              " does not count what its kernels read and write; the emulated device does");
          return std::pair(traffic->read, traffic->written);
        }));
  m.def("properties", wrap_pybind_function_no_gil([](c10::DeviceIndex index) {
          return open_device(index).runtime_device().properties();
        }));
}

// Keeps a Python object; let go of on any thread, and leaked once the interpreter has ended.
std::shared_ptr<void> keep(pybind11::object object) {
  return {object.release().ptr(), [](void* kept) {
            if (Py_IsInitialized() != 0) {
              const pybind11::gil_scoped_acquire gil;
              Py_DECREF(static_cast<PyObject*>(kept));
            }
          }};
}

void bind_borrowed_memory(pybind11::module_& m) {
  m.def(
      "borrow_memory",
      wrap_pybind_function([](c10::DeviceIndex index,
                              uint32_t address,
                              uint32_t page_size,
                              const std::vector<int64_t>& sizes,
                              at::ScalarType dtype,
                              pybind11::object lender) {
        auto kept = keep(std::move(lender));
        const pybind11::gil_scoped_release no_gil;
        return borrow_memory(index, address, page_size, sizes, dtype, std::move(kept));
      }));
  m.def("return_borrowed_memory", wrap_pybind_function_no_gil(&return_borrowed_memory));
  m.def("lender_of", wrap_pybind_function([](const at::Tensor& tensor) -> pybind11::object {
          const auto lender = lender_of(tensor);
          if (lender == nullptr) {
            return pybind11::none();
          }
          return pybind11::reinterpret_borrow<pybind11::object>(static_cast<PyObject*>(lender.get()));
        }));
}

// Every value once, in the order of __repr__.
pybind11::tuple fields(const runtime::DeviceProperties& p) {
  return pybind11::make_tuple(
      p.runtime,
      p.name,
      p.architecture,
      std::pair(p.grid_x, p.grid_y),
      p.l1_size,
      p.l1_unreserved,
      p.dram_size,
      p.dram_banks,
      p.dram_alignment);
}

void bind_device_properties(pybind11::module_& m) {
  using runtime::DeviceProperties;
  pybind11::class_<DeviceProperties>(m, "DeviceProperties", "What a device is. Equal properties are interchangeable.")
      .def_readonly(
          "runtime",
          &DeviceProperties::runtime,
          "``\"emulated\"``: in this process, on the host; ``\"metal\"``: TT-Metalium, with hardware or a simulator.")
      .def_readonly("name", &DeviceProperties::name, "The device's name, for people.")
      .def_readonly(
          "architecture", &DeviceProperties::architecture, "tt-metal's name: ``\"wormhole_b0\"`` or ``\"blackhole\"``.")
      .def_property_readonly(
          "grid",
          [](const DeviceProperties& p) { return std::pair(p.grid_x, p.grid_y); },
          "Columns and rows of worker cores.")
      .def_readonly("l1_size", &DeviceProperties::l1_size, "Bytes of L1 memory of each core.")
      .def_readonly(
          "l1_unreserved",
          &DeviceProperties::l1_unreserved,
          "The address in L1 from which a program may use it; firmware and kernels are below.")
      .def_readonly("dram_size", &DeviceProperties::dram_size, "Bytes of DRAM, all banks together.")
      .def_readonly("dram_banks", &DeviceProperties::dram_banks, "Banks of DRAM.")
      .def_readonly(
          "dram_alignment",
          &DeviceProperties::dram_alignment,
          "Bytes: what a transfer between DRAM and L1 must agree on at both ends.")
      .def_property_readonly(
          "total_memory",
          [](const DeviceProperties& p) { return p.dram_size; },
          "``dram_size``, by the name that other devices give it.")
      .def(pybind11::self == pybind11::self)
      .def("__hash__", [](const DeviceProperties& p) { return pybind11::hash(fields(p)); })
      .def("__repr__", [](const DeviceProperties& p) {
        return pybind11::str(
                   "DeviceProperties(runtime={!r}, name={!r}, architecture={!r}, grid={}, l1_size={}, "
                   "l1_unreserved={}, dram_size={}, dram_banks={}, dram_alignment={})")
            .format(*fields(p));
      });
}

void bind_routing_plans(pybind11::module_& m) {
  using Step = std::tuple<const char*, float, float>;
  m.def(
      "routing_costs",
      wrap_pybind_function([](const at::Tensor& selected_experts, const at::Tensor& weights, int64_t num_experts) {
        std::vector<std::pair<const char*, std::vector<Step>>> plans;
        for (const auto& [kernel, steps] : routing_costs(selected_experts, weights, num_experts)) {
          auto& plan = plans.emplace_back(kernel, std::vector<Step>()).second;
          for (const auto& [name, count, clocks] : steps) {
            plan.emplace_back(name, count, clocks);
          }
        }
        return plans;
      }));
  m.def("prepare_routing_by_plan", wrap_pybind_function_no_gil(&prepare_routing_by_plan));
}

}  // namespace

void bind_tt(pybind11::module_& module) {
  auto m = module.def_submodule("tt");
  bind_device_properties(m);
  bind_devices(m);
  bind_borrowed_memory(m);
  bind_routing_plans(m);
  m.def("default_generator", wrap_pybind_function([](c10::DeviceIndex index) { return default_generator(index); }));
  m.def("fallback_mode", wrap_pybind_function(&fallback_mode));
  m.def("set_fallback_mode", wrap_pybind_function(&set_fallback_mode));
  m.def("fallback_totals", wrap_pybind_function([] {
          std::vector<std::tuple<std::string, uint64_t, uint64_t, uint64_t>> rows;
          for (const auto& [op, calls, from_device, to_device] : fallback_totals()) {
            rows.emplace_back(op, calls, from_device, to_device);
          }
          return rows;
        }));
  // The types are bound in torch._C._distributed_c10d.
  m.def("host_backend", wrap_pybind_function(&host_backend));
  m.def("metal_library", [] { return runtime::metal_library().string(); });
}

}  // namespace moe::python
