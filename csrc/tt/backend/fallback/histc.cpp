#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/histc.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include "tt/backend/fallback/host_kernels.h"

namespace moe::tt::backend {
namespace {

bool is_integer(const at::Tensor& tensor) {
  return at::isIntegralType(tensor.scalar_type(), /*includeBool=*/false);
}

// Integers have exact bins: x is in the bin floor((x - min) * bins / (max - min)), and max in the last one.
at::Tensor integer_histc(const at::Tensor& self, int64_t bins, const at::Scalar& min, const at::Scalar& max) {
  using Wide = unsigned __int128;
  TORCH_CHECK(
      self.scalar_type() != at::kUInt64,
      "torch.histc: expected integers that int64 has, got a tensor of UInt64; convert it");
  TORCH_CHECK(bins > 0, "torch.histc: bins must be > 0, got ", bins);
  const auto values = self.to(at::kLong).contiguous();
  int64_t low = min.to<int64_t>();
  int64_t high = max.to<int64_t>();
  TORCH_CHECK(low <= high, "torch.histc: max must be larger than min, got min=", low, " and max=", high);
  if (low == high && values.numel() > 0) {
    low = values.min().item<int64_t>();
    high = values.max().item<int64_t>();
  }
  if (low == high) {
    // As for floats, and within the range of integers.
    low -= low > std::numeric_limits<int64_t>::min();
    high += high < std::numeric_limits<int64_t>::max();
  }
  const auto width = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  auto counts = at::zeros({bins}, at::kLong);
  auto* const count = counts.mutable_data_ptr<int64_t>();
  const auto* const value = values.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    if (value[i] >= low && value[i] <= high) {
      const auto distance = static_cast<uint64_t>(value[i]) - static_cast<uint64_t>(low);
      const auto bin = static_cast<int64_t>(Wide{distance} * static_cast<uint64_t>(bins) / width);
      ++count[std::min(bin, bins - 1)];
    }
  }
  const auto result = counts.to(self.scalar_type());
  TORCH_CHECK(
      result.to(at::kLong).equal(counts),
      "torch.histc: counts have the dtype of the input, and one of ",
      counts.max().item<int64_t>(),
      " does not fit ",
      self.scalar_type(),
      "; convert the input to a larger dtype");
  return result;
}

bool is_whole(const at::Scalar& number) {
  return number.isIntegral(false) || (number.isFloatingPoint() && std::floor(number.toDouble()) == number.toDouble());
}

}  // namespace

at::Tensor histc(const at::Tensor& self, int64_t bins, const at::Scalar& min, const at::Scalar& max) {
  if (!is_integer(self)) {
    return at::histc(self, bins, min, max);
  }
  return is_whole(min) && is_whole(max) ? integer_histc(self, bins, min, max)
                                        : at::histc(self.to(at::kDouble), bins, min, max).to(self.scalar_type());
}

at::Tensor& histc_out(
    const at::Tensor& self, int64_t bins, const at::Scalar& min, const at::Scalar& max, at::Tensor& out) {
  if (!is_integer(self)) {
    return at::histc_out(out, self, bins, min, max);
  }
  TORCH_CHECK(
      out.scalar_type() == self.scalar_type(),
      "torch.histc: expected out to have the dtype of the input, ",
      self.scalar_type(),
      ", got ",
      out.scalar_type());
  out.resize_({bins});
  return out.copy_(backend::histc(self, bins, min, max));
}

}  // namespace moe::tt::backend
