#include "python/launch.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <pybind11/stl.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/utils/pybind.h>

#include "contract/prepare_grouping.h"
#include "contract/prepare_mapping.h"
#include "contract/prepare_routing.h"
#include "tt/launch/permute.h"
#include "tt/launch/prepare_grouping.h"
#include "tt/launch/prepare_mapping.h"
#include "tt/launch/prepare_routing.h"
#include "tt/runtime/errors.h"
#include "tt/runtime/plugin.h"
#include "tt/support/str.h"

namespace moe::python {
namespace {

using tt::launch::Checks;
using tt::launch::checks_of;
using tt::launch::describe;
using tt::launch::GroupingOutputs;
using tt::launch::InvalidIdLog;
using tt::launch::Launch;
using tt::launch::LocalExperts;
using tt::launch::Permutation;
using tt::launch::RouterChoices;
using tt::launch::row_tensor;
using tt::launch::Target;
using tt::launch::Tensor;
using tt::runtime::ProgramDescription;

// A tensor with a page for each row: its address, the bytes of a row, and those from one page to the next in its bank.
using Rows = std::array<uint32_t, 3>;

Tensor tensor_of(const Rows& rows) {
  const auto& [address, row_size, row_stride] = rows;
  return row_tensor(address, row_size, row_stride);
}

// The local experts but for their address: their number, bytes of an id, and whether ids are signed.
using LocalShape = std::tuple<uint32_t, uint32_t, bool>;

// The router's choices but for their addresses.
struct ChoicesShape {
  uint32_t num_tokens;
  uint32_t top_k;
  uint32_t num_experts;
  uint32_t id_size;
  bool ids_signed;
  uint32_t weight_size;
  std::optional<LocalShape> local;

  RouterChoices at(const Rows& ids, const Rows& weights, const std::optional<Rows>& local_experts) const {
    RouterChoices choices{
        .ids = tensor_of(ids),
        .id_size = id_size,
        .ids_signed = ids_signed,
        .weights = tensor_of(weights),
        .weight_size = weight_size,
        .num_tokens = num_tokens,
        .top_k = top_k,
        .num_experts = num_experts};
    if (local_experts) {
      const auto& [count, local_id_size, local_ids_signed] = local.value();
      choices.local_experts = LocalExperts{tensor_of(*local_experts), local_id_size, local_ids_signed, count};
    }
    return choices;
  }
};

// Numbers a call and plans it. Errors of the plan begin with the operator's name.
template <typename Plan>
std::vector<Launch> planned(InvalidIdLog& log, const Checks& checks, const Rows& records, const Plan& plan) {
  const auto invalid_ids = log.begin_call(checks, tensor_of(records).range);
  return tt::runtime::with_context(checks.ids.op, [&] { return plan(invalid_ids); });
}

std::vector<Launch> prepare_mapping(
    const Target& target,
    InvalidIdLog& log,
    const ChoicesShape& shape,
    const Rows& ids,
    const Rows& weights,
    const Rows& records,
    const std::optional<Rows>& local_experts,
    const Rows& mapping) {
  const RouterChoices choices = shape.at(ids, weights, local_experts);
  return planned(log, checks_of(kPrepareMapping, choices), records, [&](const auto& invalid_ids) {
    return plan_prepare_mapping(target, choices, invalid_ids, tensor_of(mapping));
  });
}

std::vector<Launch> prepare_routing(
    const Target& target,
    InvalidIdLog& log,
    const ChoicesShape& shape,
    const Rows& ids,
    const Rows& weights,
    const Rows& records,
    const std::optional<Rows>& local_experts,
    const Rows& counts,
    const Rows& tokens,
    const Rows& token_weights,
    std::optional<uint32_t> max_tokens) {
  const RouterChoices choices = shape.at(ids, weights, local_experts);
  return planned(log, checks_of(kPrepareRouting, choices), records, [&](const auto& invalid_ids) {
    return plan_prepare_routing(
        target, choices, invalid_ids, tensor_of(counts), tensor_of(tokens), tensor_of(token_weights), max_tokens);
  });
}

std::vector<Launch> prepare_grouping(
    const Target& target,
    InvalidIdLog& log,
    const ChoicesShape& shape,
    const Rows& ids,
    const Rows& weights,
    const Rows& records,
    const std::optional<Rows>& local_experts,
    const Rows& sizes,
    const Rows& offsets,
    const Rows& tokens,
    const Rows& grouped_weights,
    const Rows& positions,
    uint32_t alignment,
    std::optional<uint32_t> max_tokens) {
  const RouterChoices choices = shape.at(ids, weights, local_experts);
  const GroupingOutputs outputs{
      .sizes = tensor_of(sizes),
      .offsets = tensor_of(offsets),
      .tokens = tensor_of(tokens),
      .weights = tensor_of(grouped_weights),
      .positions = tensor_of(positions)};
  return planned(log, checks_of(kPrepareGrouping, choices), records, [&](const auto& invalid_ids) {
    if (choices.num_rows() > max_groups(target)) {
      throw tt::runtime::DeviceError(
          tt::str(
              "expected at most ",
              max_groups(target),
              " groups, whose counts have room in a core's L1, got ",
              choices.num_rows(),
              "; group on the host, with torch_moe_ttnn.prepare_grouping"));
    }
    return plan_prepare_grouping(
        target, choices, {.alignment = alignment, .max_tokens = max_tokens}, invalid_ids, outputs);
  });
}

std::vector<Launch> permute(
    const Target& target,
    InvalidIdLog& log,
    uint32_t num_tokens,
    uint32_t num_rows,
    const Rows& grouped_tokens,
    const Rows& hidden,
    const Rows& records,
    const Rows& permuted) {
  const Permutation permutation{
      .hidden = tensor_of(hidden),
      .grouped_tokens = tensor_of(grouped_tokens),
      .num_tokens = num_tokens,
      .num_rows = num_rows,
      .row_size = permuted[1]};
  return planned(log, checks_of(permutation), records, [&](const auto& invalid_ids) {
    return plan_permute(target, permutation, invalid_ids, tensor_of(permuted));
  });
}

void bind_program(pybind11::module_& m) {
  using tt::runtime::Kernel;
  pybind11::class_<Kernel>(m, "Kernel")
      .def_readonly("name", &Kernel::name, "Of a file in kernels_folder(), without its ending.")
      .def_property_readonly(
          "processor",
          [](const Kernel& kernel) { return static_cast<uint32_t>(kernel.processor); },
          "The data-movement processor that runs it: 0 or 1.")
      .def_readonly("compile_args", &Kernel::compile_args)
      .def_readonly("runtime_args", &Kernel::runtime_args, "For each core of the program, by its number.");
  pybind11::class_<ProgramDescription>(m, "Program")
      .def_property_readonly(
          "num_cores",
          [](const ProgramDescription& program) { return program.cores.count; },
          "The program runs on the cores [0, num_cores), numbered row by row.")
      .def_property_readonly(
          "circular_buffers",
          [](const ProgramDescription& program) {
            std::vector<uint32_t> bytes;
            for (const auto& buffer : program.circular_buffers) {
              bytes.push_back(buffer.page_size * buffer.num_pages);
            }
            return bytes;
          },
          "Bytes of each; its index is its place.")
      .def_readonly("semaphores", &ProgramDescription::semaphores, "Initial values; an id is a place.")
      .def_readonly("kernels", &ProgramDescription::kernels);
}

}  // namespace

void bind_launch(pybind11::module_& module) {
  using pybind11::arg;
  auto m = module.def_submodule("launch");
  bind_program(m);
  m.attr("RECORD_SIZE") = tt::kernels::kInvalidIdRecordSize;
  m.attr("RECORDS_A_CORE") = tt::kernels::kProcessors;
  m.def("kernels_folder", [] { return tt::runtime::kernels_folder().string(); });

  pybind11::class_<Target>(m, "Target", "What plans know of a device.")
      .def(
          pybind11::init([](std::string architecture,
                            uint32_t columns,
                            uint32_t l1_bytes,
                            const std::vector<std::pair<uint32_t, uint32_t>>& noc) {
            Target target{
                .architecture = std::move(architecture),
                .grid_x = columns,
                .l1_bytes = l1_bytes,
                .noc_coordinates = {}};
            for (const auto& [x, y] : noc) {
              target.noc_coordinates.push_back(x << 16 | y);
            }
            return target;
          }),
          arg("architecture"),
          arg("columns"),
          arg("l1_bytes"),
          arg("noc_coordinates"));

  pybind11::class_<InvalidIdLog>(m, "InvalidIdLog", "Which call the records of invalid ids speak of.")
      .def(pybind11::init<>())
      .def(
          "message",
          [](const InvalidIdLog& log, const pybind11::bytes& records) -> std::optional<std::string> {
            const auto bytes = static_cast<std::string_view>(records);
            const auto invalid = log.first(std::as_bytes(std::span(bytes.data(), bytes.size())));
            return invalid ? std::optional(invalid->message()) : std::nullopt;
          },
          arg("records"),
          "The error of the first invalid id in the records, RECORD_SIZE bytes each; None if there is none.");

  pybind11::class_<ChoicesShape>(m, "ChoicesShape")
      .def(
          pybind11::init<uint32_t, uint32_t, uint32_t, uint32_t, bool, uint32_t, std::optional<LocalShape>>(),
          arg("num_tokens"),
          arg("top_k"),
          arg("num_experts"),
          arg("id_size"),
          arg("ids_signed"),
          arg("weight_size"),
          arg("local") = pybind11::none());

  pybind11::class_<Launch>(m, "Launch")
      .def_property_readonly(
          "key",
          [](const Launch& launch) {
            return pybind11::make_tuple(
                launch.kernel,
                launch.id_size,
                launch.weight_size,
                launch.options,
                launch.num_cores,
                pybind11::tuple(pybind11::cast(launch.circular_buffers)));
          },
          "Launches with the same key have the same program.")
      .def_readonly("common_args", &Launch::common_args)
      .def(
          "describe",
          &describe,
          arg("accessor_args"),
          "The program; accessor_args are those of each tensor's TensorAccessor, one after the other.");

  m.def(
      "prepare_mapping",
      torch::wrap_pybind_function(&prepare_mapping),
      arg("target"),
      arg("log"),
      arg("shape"),
      arg("ids"),
      arg("weights"),
      arg("records"),
      arg("local_experts"),
      arg("mapping"));
  m.def(
      "prepare_routing",
      torch::wrap_pybind_function(&prepare_routing),
      arg("target"),
      arg("log"),
      arg("shape"),
      arg("ids"),
      arg("weights"),
      arg("records"),
      arg("local_experts"),
      arg("counts"),
      arg("tokens"),
      arg("token_weights"),
      arg("max_tokens") = pybind11::none());
  m.def(
      "prepare_grouping",
      torch::wrap_pybind_function(&prepare_grouping),
      arg("target"),
      arg("log"),
      arg("shape"),
      arg("ids"),
      arg("weights"),
      arg("records"),
      arg("local_experts"),
      arg("sizes"),
      arg("offsets"),
      arg("tokens"),
      arg("grouped_weights"),
      arg("positions"),
      arg("alignment") = 1,
      arg("max_tokens") = pybind11::none());
  m.def(
      "permute",
      torch::wrap_pybind_function(&permute),
      arg("target"),
      arg("log"),
      arg("num_tokens"),
      arg("num_rows"),
      arg("grouped_tokens"),
      arg("hidden"),
      arg("records"),
      arg("permuted"));
}

}  // namespace moe::python
