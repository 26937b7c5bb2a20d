#include "ops/permute.h"

#include "ops/autograd/node.h"

namespace moe::autograd {
namespace {

class PermuteBackward final : public Node {
 public:
  SavedVariable grouped_tokens;
  c10::SymInt num_tokens;

  std::string name() const override {
    return "PermuteBackward";
  }

 protected:
  variable_list differentiate(const at::Tensor& grad) override {
    static const auto op =
        find_operator<at::Tensor(const at::Tensor&, const at::Tensor&, c10::SymInt)>(kPermuteBackward);
    return {op.call(grad, grouped_tokens.unpack(), num_tokens)};
  }

  void release() override {
    grouped_tokens.reset_data();
  }
};

at::Tensor permute_autograd(c10::DispatchKeySet keys, const at::Tensor& hidden, const at::Tensor& grouped_tokens) {
  static const auto op = find_operator<at::Tensor(const at::Tensor&, const at::Tensor&)>(kPermute);
  check_no_forward_mode(kPermute, hidden);
  at::Tensor permuted = call_below(op, keys, hidden, grouped_tokens);
  if (torch::autograd::compute_requires_grad(hidden)) {
    auto node = make_node<PermuteBackward>();
    node->set_next_edges(torch::autograd::collect_next_edges(hidden));
    node->grouped_tokens = save(grouped_tokens);
    node->num_tokens = hidden.sym_size(0);
    torch::autograd::set_history(permuted, node);
  }
  return permuted;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, Autograd, m) {
  m.impl(kPermute, TORCH_FN(permute_autograd));
  m.impl(kPermuteBackward, torch::autograd::autogradNotImplementedFallback());
}

}  // namespace moe::autograd
