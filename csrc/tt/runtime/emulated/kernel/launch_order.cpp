#include "tt/runtime/emulated/kernel/launch_order.h"

#include <algorithm>

#include "tt/runtime/emulated/execution/tsan.h"

namespace moe::tt::runtime::emulated {

namespace {

void join(std::vector<uint32_t>& clock, const std::vector<uint32_t>& other) {
  std::ranges::transform(clock, other, clock.begin(), [](uint32_t a, uint32_t b) { return std::max(a, b); });
}

}  // namespace

LaunchOrder::LaunchOrder(uint32_t num_kernels) : kernels_(num_kernels) {
  for (uint32_t kernel = 0; kernel < num_kernels; ++kernel) {
    kernels_[kernel].clock.assign(num_kernels, 0);
    kernels_[kernel].clock[kernel] = 1;
  }
}

LaunchOrder::Place& LaunchOrder::place(const void* address) {
  Place& place = places_[address];
  if (place.released.empty()) {
    place.released.assign(kernels_.size(), 0);
    place.incremented.assign(kernels_.size(), 0);
  }
  return place;
}

void LaunchOrder::release_locked(uint32_t kernel, Place& place) {
  Clock& clock = kernels_[kernel].clock;
  join(place.released, clock);
  ++clock[kernel];
  kernels_[kernel].has_changed = true;
}

void LaunchOrder::release(uint32_t kernel, const void* address) {
  OutOfSanitizersSight unseen;
  std::scoped_lock lock(mutex_);
  release_locked(kernel, place(address));
}

void LaunchOrder::acquire(uint32_t kernel, const void* address) {
  OutOfSanitizersSight unseen;
  std::scoped_lock lock(mutex_);
  join(kernels_[kernel].clock, place(address).released);
  kernels_[kernel].has_changed = true;
}

std::optional<uint32_t> LaunchOrder::increment(uint32_t kernel, const void* semaphore, uint32_t by) {
  OutOfSanitizersSight unseen;
  std::scoped_lock lock(mutex_);
  Place& place = this->place(semaphore);
  const Clock& clock = kernels_[kernel].clock;
  if (place.setter && place.set_at > clock[*place.setter]) {
    return place.setter;
  }
  place.incremented[kernel] = clock[kernel];
  place.added += by;
  release_locked(kernel, place);
  return std::nullopt;
}

std::optional<uint32_t> LaunchOrder::set(uint32_t kernel, const void* semaphore, uint32_t value) {
  OutOfSanitizersSight unseen;
  std::scoped_lock lock(mutex_);
  Place& place = this->place(semaphore);
  const Clock& clock = kernels_[kernel].clock;
  for (uint32_t other = 0; other < kernels_.size(); ++other) {
    if (place.incremented[other] > clock[other]) {
      return other;
    }
  }
  place.setter = kernel;
  place.set_at = clock[kernel];
  place.value = value;
  place.added = 0;
  release_locked(kernel, place);
  return std::nullopt;
}

uint32_t LaunchOrder::value(const void* semaphore, uint32_t initial) const {
  const auto found = places_.find(semaphore);
  return found == places_.end() ? initial : found->second.value.value_or(initial) + found->second.added;
}

void LaunchOrder::write(uint32_t kernel, uint64_t address, uint32_t size) {
  Kernel& writer = kernels_[kernel];
  if (writer.has_changed) {
    writer.knowledge.push_back(writer.clock);
    writer.has_changed = false;
  }
  const Write write{
      address, address + size, kernel, writer.clock[kernel], static_cast<uint32_t>(writer.knowledge.size() - 1)};
  if (!writer.writes.empty()) {
    Write& last = writer.writes.back();
    if (last.end == write.begin && last.at == write.at && last.knowledge == write.knowledge) {
      last.end = write.end;
      return;
    }
  }
  writer.writes.push_back(write);
}

bool LaunchOrder::are_ordered(const Write& a, const Write& b) const {
  return a.kernel == b.kernel || kernels_[b.kernel].knowledge[b.knowledge][a.kernel] >= a.at ||
         kernels_[a.kernel].knowledge[a.knowledge][b.kernel] >= b.at;
}

std::optional<LaunchOrder::Conflict> LaunchOrder::find_conflict() const {
  std::vector<Write> writes;
  for (const Kernel& kernel : kernels_) {
    writes.insert(writes.end(), kernel.writes.begin(), kernel.writes.end());
  }
  std::ranges::stable_sort(writes, {}, &Write::begin);
  for (auto first = writes.begin(); first != writes.end(); ++first) {
    for (auto second = first + 1; second != writes.end() && second->begin < first->end; ++second) {
      if (!are_ordered(*first, *second)) {
        return Conflict{
            first->kernel, second->kernel, second->begin, std::min(first->end, second->end) - second->begin};
      }
    }
  }
  return std::nullopt;
}

}  // namespace moe::tt::runtime::emulated
