// Every kernel, on one thread and on four: the same bits, and nothing that a sanitizer finds. Values are the business
// of the tests in Python.

#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/SymInt.h>

// Torch has its own.
#undef CHECK
#undef CHECK_EQ
#include "testing.h"

namespace {

using at::Tensor;
using Outputs = std::vector<Tensor>;
using Optional = std::optional<Tensor>;

template <typename Return, typename... Args>
Return call(const char* name, Args... args) {
  const auto handle = c10::Dispatcher::singleton().findSchemaOrThrow(name, "");
  return handle.template typed<Return(Args...)>().call(std::forward<Args>(args)...);
}

// The kernel's outputs, the same on one thread and on four.
Outputs same_bits(const char* what, const std::function<Outputs()>& kernel) {
  at::set_num_threads(1);
  const Outputs alone = kernel();
  at::set_num_threads(4);
  const Outputs together = kernel();
  at::set_num_threads(1);
  for (size_t i = 0; i < alone.size(); ++i) {
    const auto bytes = [](const Tensor& tensor) { return tensor.contiguous().view({-1}).view(at::kByte); };
    if (alone[i].sizes() != together[i].sizes() ||
        (alone[i].numel() > 0 && !bytes(alone[i]).equal(bytes(together[i])))) {
      testing::fail(what, static_cast<int>(i), "differs between one thread and four");
    }
  }
  return together;
}

template <size_t... I, typename Tuple>
Outputs as_vector(std::index_sequence<I...>, const Tuple& tuple) {
  return {std::get<I>(tuple)...};
}

Tensor mapping(const Tensor& ids, const Tensor& weights, int64_t num_experts, const Optional& local) {
  return call<Tensor, const Tensor&, const Tensor&, c10::SymInt, const Optional&>(
      "moe::prepare_mapping", ids, weights, num_experts, local);
}

Outputs routing(
    const Tensor& ids,
    const Tensor& weights,
    int64_t num_experts,
    const Optional& local,
    std::optional<c10::SymInt> max_tokens) {
  const auto outputs = call<
      std::tuple<Tensor, Tensor, Tensor>,
      const Tensor&,
      const Tensor&,
      c10::SymInt,
      const Optional&,
      std::optional<c10::SymInt>>("moe::prepare_routing", ids, weights, num_experts, local, max_tokens);
  return as_vector(std::make_index_sequence<3>(), outputs);
}

Outputs grouping(
    const Tensor& ids,
    const Tensor& weights,
    int64_t num_experts,
    const Optional& local,
    int64_t alignment,
    std::optional<c10::SymInt> max_tokens) {
  const auto outputs = call<
      std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>,
      const Tensor&,
      const Tensor&,
      c10::SymInt,
      const Optional&,
      c10::SymInt,
      std::optional<c10::SymInt>>("moe::prepare_grouping", ids, weights, num_experts, local, alignment, max_tokens);
  return as_vector(std::make_index_sequence<5>(), outputs);
}

Tensor choices_backward(
    const char* name, const Tensor& grad, const Tensor& ids, int64_t num_experts, const Optional& local) {
  return call<Tensor, const Tensor&, const Tensor&, c10::SymInt, const Optional&>(name, grad, ids, num_experts, local);
}

constexpr int64_t kExperts = 60;
constexpr int64_t kTopK = 8;

// Ids that repeat, and some that are no expert.
Tensor make_ids(int64_t num_tokens, at::ScalarType dtype) {
  return at::randint(-1, kExperts, {num_tokens, kTopK}, at::kLong).to(dtype);
}

void check_choices(const Tensor& ids, const Tensor& weights, const Optional& local) {
  const Tensor map = same_bits("prepare_mapping", [&] { return Outputs{mapping(ids, weights, kExperts, local)}; })[0];
  same_bits("prepare_mapping_backward", [&] {
    return Outputs{choices_backward("moe::prepare_mapping_backward", map, ids, kExperts, local)};
  });
  // Rows as long as there are choices would be gigabytes.
  const auto width = ids.numel() > 1000 ? std::optional<c10::SymInt>(300) : std::nullopt;
  const Outputs lists = same_bits("prepare_routing", [&] { return routing(ids, weights, kExperts, local, width); });
  same_bits("prepare_routing_backward", [&] {
    return Outputs{choices_backward("moe::prepare_routing_backward", lists[2], ids, kExperts, local)};
  });
  for (const int64_t alignment : {1, 32}) {
    for (const auto& limit : {std::optional<c10::SymInt>(), std::optional<c10::SymInt>(100)}) {
      same_bits("prepare_grouping", [&] { return grouping(ids, weights, kExperts, local, alignment, limit); });
    }
  }
}

TEST(choices) {
  const Tensor local = at::tensor({59, -1, 0, 7, 7}, at::kLong);
  for (const int64_t num_tokens : {0, 1, 33, 9000}) {  // four threads share the last
    for (const auto dtype : {at::kLong, at::kInt, at::kUInt32, at::kUInt16}) {
      const Tensor ids = make_ids(num_tokens, dtype);
      for (const auto weight_dtype : {at::kBFloat16, at::kFloat}) {
        const Tensor weights = at::rand({num_tokens, kTopK}).to(weight_dtype);
        check_choices(ids, weights, std::nullopt);
        check_choices(ids, weights, local.to(dtype));
      }
    }
  }
}

TEST(strided_choices) {
  const Tensor ids = make_ids(33, at::kInt).t().contiguous().t();
  const Tensor weights = at::rand({66, kTopK}).slice(0, 1, 66, 2);
  check_choices(ids, weights, std::nullopt);
}

TEST(ids_out_of_range) {
  for (const int64_t bad : {kExperts, int64_t{-2}, int64_t{1} << 40}) {
    Tensor ids = make_ids(9000, at::kLong);
    ids.slice(0, 5000).fill_(bad);  // for several threads
    const Tensor weights = at::rand({9000, kTopK});
    at::set_num_threads(4);
    for (const auto& kernel : std::vector<std::function<void()>>{
             [&] { mapping(ids, weights, kExperts, std::nullopt); },
             [&] { routing(ids, weights, kExperts, std::nullopt, 10); },
             [&] { grouping(ids, weights, kExperts, std::nullopt, 1, std::nullopt); }}) {
      const std::string message = testing::message_of<c10::IndexError>(kernel);
      CHECK(message.find("selected_experts[5000, 0]") != std::string::npos);
    }
    at::set_num_threads(1);
  }
}

void check_rows(
    const Tensor& hidden, const Tensor& outputs, const Tensor& weights, const Tensor& tokens, const Tensor& positions) {
  const Tensor grad = at::randn_like(hidden);
  same_bits(
      "permute", [&] { return Outputs{call<Tensor, const Tensor&, const Tensor&>("moe::permute", hidden, tokens)}; });
  same_bits("permute_backward", [&] {
    return Outputs{call<Tensor, const Tensor&, const Tensor&, c10::SymInt>(
        "moe::permute_backward", outputs, tokens, hidden.size(0))};
  });
  same_bits("unpermute", [&] {
    return Outputs{
        call<Tensor, const Tensor&, const Tensor&, const Tensor&>("moe::unpermute", outputs, weights, positions)};
  });
  same_bits("unpermute_backward_expert_outputs", [&] {
    return Outputs{call<Tensor, const Tensor&, const Tensor&, const Tensor&, c10::SymInt>(
        "moe::unpermute_backward_expert_outputs", grad, weights, positions, outputs.size(0))};
  });
  same_bits("unpermute_backward_routing_weights", [&] {
    return Outputs{call<Tensor, const Tensor&, const Tensor&, const Tensor&, const Tensor&>(
        "moe::unpermute_backward_routing_weights", grad, outputs, weights, positions)};
  });
}

TEST(rows) {
  for (const int64_t num_tokens : {0, 1, 33, 500}) {
    const Tensor weights = at::rand({num_tokens, kTopK});
    const Outputs groups = grouping(make_ids(num_tokens, at::kLong), weights, kExperts, std::nullopt, 16, std::nullopt);
    for (const int64_t size : {0, 1, 5, 64, 200, 333}) {
      for (const auto dtype : {at::kBFloat16, at::kHalf, at::kFloat, at::kDouble}) {
        const Tensor hidden = at::randn({num_tokens, size}).to(dtype);
        const Tensor outputs = at::randn({groups[2].size(0), size}).to(dtype);
        check_rows(hidden, outputs, weights, groups[2], groups[4]);
      }
    }
  }
}

TEST(rows_out_of_range) {
  const Tensor tokens = at::full({500}, 9, at::kInt);
  at::set_num_threads(4);
  const std::string message = testing::message_of<c10::IndexError>(
      [&] { call<Tensor, const Tensor&, const Tensor&>("moe::permute", at::rand({9, 1000}), tokens); });
  CHECK(message.find("grouped_tokens[0]") != std::string::npos);
  at::set_num_threads(1);
}

// That this program sees what the threads of a kernel do: the test expects it to fail under ThreadSanitizer.
TEST_ON_DEMAND(race_between_threads) {
  at::set_num_threads(4);
  int64_t count = 0;
  at::parallel_for(0, 1000, 1, [&](int64_t begin, int64_t end) { count += end - begin; });
  CHECK(count <= 1000);
}

// And of what a kernel is given: it expects it to fail under AddressSanitizer.
TEST_ON_DEMAND(row_beyond_the_end) {
  const Tensor tokens = at::tensor({0}, at::kInt);
  Tensor hidden = at::rand({1, 100});
  // A tensor that claims twice the rows that its memory has.
  hidden.unsafeGetTensorImpl()->set_sizes_contiguous({2, 100});
  call<Tensor, const Tensor&, const Tensor&>("moe::permute", hidden, tokens + 1);
}

}  // namespace
