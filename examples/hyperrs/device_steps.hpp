// DeviceSteps: outer steps of HyperRS that a device takes (--device cuda), seen from the host.
//
//   auto steps = hyperrs::open_cuda_steps(hyper, options, users);   // Result: says what to build, or what is missing
//   UserBatch batch = hyperrs::packed_users(episodes, items, sizes, objective, arena);
//   double loss = steps.value()->step(batch);
//
// The program that the presets for a host build has no device, and says which preset has one. That preset links it with
// cuda_steps.cu, the one file of this folder that nvcc compiles. device_learner.hpp makes a Learner of it.
#pragma once

#include <algorithm>
#include <memory>
#include <span>

#include "hyperrs/batched_users.hpp"
#include "hyperrs/episode_rows.hpp"

namespace hyperrs {

class DeviceSteps {
 public:
  using HostArray = thaw::Array<float, thaw::Cpu>;

  virtual ~DeviceSteps() = default;
  // One outer step of different users; the mean query loss before it.
  virtual double step(const UserBatch& batch) = 0;
  // Shared weights and the users' rows, (users, d + q): from the host, and back.
  virtual void load(const HyperRS<HostArray>& network, const float* rows) = 0;
  virtual HyperRS<HostArray> store(thaw::Cpu::Context& host, float* rows) = 0;
};

// The steps of a device whose backend is B, in a context that must outlive it.
template <class B>
class StepsOn : public DeviceSteps {
 public:
  StepsOn(const HyperOptions& hyper, const LearnerOptions& options, Index users, typename B::Context& context)
      : steps_(hyper, options, users, context) {}
  double step(const UserBatch& batch) override { return steps_.step(batch); }
  void load(const HyperRS<HostArray>& network, const float* rows) override { steps_.load(network, rows); }
  HyperRS<HostArray> store(thaw::Cpu::Context& host, float* rows) override {
    return steps_.template store<thaw::Cpu>(host, rows);
  }

 private:
  BatchedSteps<B> steps_;
};

namespace detail {

// As many items for each user as the one with the most has; what fills up is no item and weighs nothing.
template <class Part>
BatchedPart packed_part(std::span<const thaw::Episode* const> users, const thaw::Entities& items,
                        const HyperSizes& sizes, Objective objective, thaw::Arena& arena, const Part& part_of) {
  Rows* const rows = arena.take<Rows>(static_cast<Index>(users.size()));
  BatchedPart out;
  for (std::size_t u = 0; u < users.size(); ++u) {
    rows[u] = rows_of(part_of(*users[u]), objective, arena);
    out.each = (std::max)(out.each, rows[u].count);
  }
  const Index total = out.each * static_cast<Index>(users.size());
  auto* const ids = arena.take<std::int32_t>(total);
  auto* const labels = arena.take<float>(total);
  auto* const weights = arena.take<float>(total);
  for (std::size_t u = 0; u < users.size(); ++u)
    for (Index i = 0; i < out.each; ++i) {
      const Index at = static_cast<Index>(u) * out.each + i;
      const bool is_there = i < rows[u].count;
      ids[at] = is_there ? rows[u].items[i] : -1;
      labels[at] = is_there ? rows[u].labels[i] : 0.0F;
      weights[at] = is_there ? 1 / static_cast<float>(rows[u].count) : 0.0F;
    }
  out.labels = labels, out.weights = weights, out.items.count = total;
  for (int x = 0; x < sizes.attributes; ++x)
    out.items.of[x] = attribute_bags(items, x, {ids, static_cast<std::size_t>(total)}, false, arena);
  return out;
}

}  // namespace detail

// What a step reads of some users' episodes; lives until the arena rewinds.
inline UserBatch packed_users(std::span<const thaw::Episode* const> users, const thaw::Entities& items,
                              const HyperSizes& sizes, Objective objective, thaw::Arena& arena) {
  UserBatch batch;
  batch.count = static_cast<Index>(users.size());
  auto* const ids = arena.take<std::int32_t>(batch.count);
  for (std::size_t u = 0; u < users.size(); ++u) ids[u] = users[u]->user;
  batch.users = ids;
  batch.support = detail::packed_part(
      users, items, sizes, objective, arena, [](const thaw::Episode& e) -> const auto& { return e.support; });
  batch.query = detail::packed_part(
      users, items, sizes, objective, arena, [](const thaw::Episode& e) -> const auto& { return e.query; });
  return batch;
}

using OpenedSteps = std::unique_ptr<DeviceSteps>;

// find_cuda: what can be said before a run is prepared. Errors: this program has no devices; those of opening one.
#if defined(THAW_HYPERRS_CUDA)
thaw::Result<thaw::Done> find_cuda();
thaw::Result<OpenedSteps> open_cuda_steps(const HyperOptions& hyper, const LearnerOptions& options, Index users);
#else
// Weak, so that linking cuda_steps.cu puts its own in their place and train.cpp is compiled once.
[[gnu::weak]] thaw::Result<thaw::Done> find_cuda() {
  return thaw::make_fault(thaw::FaultKind::unsupported,
                          "--device cuda: this program was built without CUDA; build it with 'cmake --preset cuda' and "
                          "'cmake --build build/cuda --target thaw_meta_train', or leave out --device");
}
[[gnu::weak]] thaw::Result<OpenedSteps> open_cuda_steps(const HyperOptions&, const LearnerOptions&, Index) {
  return find_cuda().fault();
}
#endif

}  // namespace hyperrs
