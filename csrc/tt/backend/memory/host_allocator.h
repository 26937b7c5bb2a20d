#pragma once

#include <ATen/core/CachingHostAllocator.h>

namespace moe::tt::backend {

// Host memory for copies to and from tt: the CPU's own, for pinned memory would gain nothing. Nothing is cached.
at::HostAllocator* host_allocator();

}  // namespace moe::tt::backend
