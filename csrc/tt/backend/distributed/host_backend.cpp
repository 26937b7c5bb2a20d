#include "tt/backend/distributed/host_backend.h"

#include <chrono>
#include <utility>
#include <vector>

#include "tt/backend/distributed/host_work.h"

namespace moe::tt::backend {
namespace {

using c10d::Work;
using Tensors = std::vector<at::Tensor>;
using WorkPtr = c10::intrusive_ptr<Work>;

// How a tensor goes by way of the host.
using Way = at::Tensor (Staging::*)(const at::Tensor&);

Tensors staged(Staging& staging, Way way, const Tensors& tensors) {
  Tensors host;
  for (const at::Tensor& tensor : tensors) {
    host.push_back((staging.*way)(tensor));
  }
  return host;
}

std::vector<Tensors> staged(Staging& staging, Way way, const std::vector<Tensors>& lists) {
  std::vector<Tensors> host;
  for (const Tensors& tensors : lists) {
    host.push_back(staged(staging, way, tensors));
  }
  return host;
}

at::Tensor staged(Staging& staging, Way way, const at::Tensor& tensor) {
  return (staging.*way)(tensor);
}

class HostBackend final : public c10d::Backend {
 public:
  explicit HostBackend(c10::intrusive_ptr<c10d::Backend> host)
      : Backend(host->getRank(), host->getSize()), host_(std::move(host)) {}

  WorkPtr broadcast(Tensors& tensors, const c10d::BroadcastOptions& options) override {
    return in_place(tensors, [&](Tensors& host) { return host_->broadcast(host, options); });
  }

  WorkPtr allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) override {
    return in_place(tensors, [&](Tensors& host) { return host_->allreduce(host, options); });
  }

  WorkPtr allreduce_coalesced(Tensors& tensors, const c10d::AllreduceCoalescedOptions& options) override {
    return in_place(tensors, [&](Tensors& host) { return host_->allreduce_coalesced(host, options); });
  }

  WorkPtr reduce(Tensors& tensors, const c10d::ReduceOptions& options) override {
    return in_place(tensors, [&](Tensors& host) { return host_->reduce(host, options); });
  }

  WorkPtr allgather(std::vector<Tensors>& outputs, Tensors& inputs, const c10d::AllgatherOptions& options) override {
    return from_to(inputs, outputs, [&](auto& in, auto& out) { return host_->allgather(out, in, options); });
  }

  WorkPtr _allgather_base(at::Tensor& output, at::Tensor& input, const c10d::AllgatherOptions& options) override {
    return from_to(input, output, [&](auto& in, auto& out) { return host_->_allgather_base(out, in, options); });
  }

  WorkPtr allgather_coalesced(
      std::vector<Tensors>& outputs, Tensors& inputs, const c10d::AllgatherOptions& options) override {
    return from_to(inputs, outputs, [&](auto& in, auto& out) { return host_->allgather_coalesced(out, in, options); });
  }

  WorkPtr allgather_into_tensor_coalesced(
      Tensors& outputs, Tensors& inputs, const c10d::AllgatherOptions& options) override {
    return from_to(
        inputs, outputs, [&](auto& in, auto& out) { return host_->allgather_into_tensor_coalesced(out, in, options); });
  }

  WorkPtr gather(std::vector<Tensors>& outputs, Tensors& inputs, const c10d::GatherOptions& options) override {
    return from_to(inputs, outputs, [&](auto& in, auto& out) { return host_->gather(out, in, options); });
  }

  WorkPtr scatter(Tensors& outputs, std::vector<Tensors>& inputs, const c10d::ScatterOptions& options) override {
    return from_to(inputs, outputs, [&](auto& in, auto& out) { return host_->scatter(out, in, options); });
  }

  WorkPtr reduce_scatter(
      Tensors& outputs, std::vector<Tensors>& inputs, const c10d::ReduceScatterOptions& options) override {
    return from_to(inputs, outputs, [&](auto& in, auto& out) { return host_->reduce_scatter(out, in, options); });
  }

  WorkPtr _reduce_scatter_base(
      at::Tensor& output, at::Tensor& input, const c10d::ReduceScatterOptions& options) override {
    return from_to(input, output, [&](auto& in, auto& out) { return host_->_reduce_scatter_base(out, in, options); });
  }

  WorkPtr reduce_scatter_tensor_coalesced(
      Tensors& outputs, Tensors& inputs, const c10d::ReduceScatterOptions& options) override {
    return from_to(
        inputs, outputs, [&](auto& in, auto& out) { return host_->reduce_scatter_tensor_coalesced(out, in, options); });
  }

  WorkPtr alltoall_base(
      at::Tensor& output,
      at::Tensor& input,
      std::vector<int64_t>& output_sizes,
      std::vector<int64_t>& input_sizes,
      const c10d::AllToAllOptions& options) override {
    return from_to(input, output, [&](auto& in, auto& out) {
      return host_->alltoall_base(out, in, output_sizes, input_sizes, options);
    });
  }

  WorkPtr alltoall(Tensors& outputs, Tensors& inputs, const c10d::AllToAllOptions& options) override {
    return from_to(inputs, outputs, [&](auto& in, auto& out) { return host_->alltoall(out, in, options); });
  }

  WorkPtr send(Tensors& tensors, int rank, int tag) override {
    Staging staging;
    Tensors host = staged(staging, &Staging::sent, tensors);
    return host_->send(host, rank, tag);
  }

  WorkPtr recv(Tensors& tensors, int rank, int tag) override {
    return into(tensors, [&](Tensors& host) { return host_->recv(host, rank, tag); });
  }

  WorkPtr recvAnysource(Tensors& tensors, int tag) override {
    return into(tensors, [&](Tensors& host) { return host_->recvAnysource(host, tag); });
  }

  // What has no tensors is the host's.
  WorkPtr barrier(const c10d::BarrierOptions& options) override {
    return host_->barrier(options);
  }

  void monitoredBarrier(const c10d::BarrierOptions& options, bool wait_all_ranks) override {
    host_->monitoredBarrier(options, wait_all_ranks);
  }

  void setSequenceNumberForGroup() override {
    host_->setSequenceNumberForGroup();
  }

  uint64_t getSequenceNumberForGroup() override {
    return host_->getSequenceNumberForGroup();
  }

  void setTimeout(std::chrono::milliseconds timeout) override {
    host_->setTimeout(timeout);
  }

  const std::string getBackendName() const override {
    return host_->getBackendName();
  }

  c10::intrusive_ptr<Options> getBackendOptions() override {
    return host_->getBackendOptions();
  }

  bool supportsSplitting() const override {
    return host_->supportsSplitting();
  }

  c10::intrusive_ptr<Backend> split(
      const c10::intrusive_ptr<c10d::Store>& store,
      const std::vector<int>& ranks,
      const c10::intrusive_ptr<Options>& options) override {
    return wrapped(host_->split(store, ranks, options));
  }

  c10::intrusive_ptr<Backend> merge(
      const c10::intrusive_ptr<c10d::Store>& store,
      const c10::intrusive_ptr<Options>& options,
      const int& rank,
      const int& size) override {
    return wrapped(host_->merge(store, options, rank, size));
  }

  c10d::ErrorType getError() override {
    return host_->getError();
  }

  void abort() override {
    host_->abort();
  }

  void shutdown() override {
    host_->shutdown();
  }

 private:
  static c10::intrusive_ptr<Backend> wrapped(c10::intrusive_ptr<Backend> host) {
    return host == nullptr ? nullptr : host_backend(std::move(host));
  }

  template <typename Call>
  static WorkPtr in_place(const Tensors& tensors, const Call& call) {
    Staging staging;
    Tensors host = staged(staging, &Staging::exchanged, tensors);
    return host_work(call(host), std::move(staging));
  }

  template <typename Call>
  static WorkPtr into(const Tensors& outputs, const Call& call) {
    Staging staging;
    Tensors host = staged(staging, &Staging::received, outputs);
    return host_work(call(host), std::move(staging));
  }

  // Tensors or lists of them.
  template <typename Inputs, typename Outputs, typename Call>
  static WorkPtr from_to(const Inputs& inputs, const Outputs& outputs, const Call& call) {
    Staging staging;
    auto in = staged(staging, &Staging::sent, inputs);
    auto out = staged(staging, &Staging::received, outputs);
    return host_work(call(in, out), std::move(staging));
  }

  const c10::intrusive_ptr<c10d::Backend> host_;
};

}  // namespace

c10::intrusive_ptr<c10d::Backend> host_backend(c10::intrusive_ptr<c10d::Backend> host) {
  return c10::make_intrusive<HostBackend>(std::move(host));
}

}  // namespace moe::tt::backend
