// Communicator: the processes ("ranks") that train one model together, and what they exchange.
//
//   auto world = thaw::MpiCommunicator::start();             // or: thaw::LoneCommunicator lone;
//   thaw::CommunicatorRef ranks(world.value());              // what trainers take; without an argument: one process
//   thaw::Share own = thaw::share_of(batch, ranks.rank(), ranks.size());
//   if (auto done = ranks.all_reduce_sum(gradient, count); !done) ranks.stop_all(done.fault());
//
// Sums are added up in the order of the ranks, whatever arrives first: they depend on the numbers and on how many ranks
// there are, and every rank gets the same bits. Each call is made by every rank in the same order with the same sizes.
// Machines must agree on byte order and number formats. Not asynchronous, and not for several threads of one rank.
#pragma once

#include <concepts>

#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

// What a rank has of `count` things: begin .. end - 1. Shares differ by one thing at most.
struct Share {
  Index begin = 0, end = 0;
  constexpr Index size() const { return end - begin; }
};
constexpr Share share_of(Index count, int rank, int size) { return {count * rank / size, count * (rank + 1) / size}; }

// data: what the rank brings, then the sum over all ranks, in the order of the ranks; equal bits everywhere.
// all_gather: the bytes of every rank one after another; bytes[r] is how many rank r brings.
// stop_all: says what is wrong and ends every process.
template <class C>
concept Communicator = requires(const C& c, float* f, double* d, Index count, const void* own, void* all,
                                const Index* bytes, int rank, const Fault& fault) {
  { c.rank() } -> std::same_as<int>;
  { c.size() } -> std::same_as<int>;
  { c.all_reduce_sum(f, count) } -> std::same_as<Result<Done>>;
  { c.all_reduce_sum(d, count) } -> std::same_as<Result<Done>>;
  { c.all_gather(own, all, bytes) } -> std::same_as<Result<Done>>;
  { c.broadcast(all, count, rank) } -> std::same_as<Result<Done>>;
  { c.barrier() } -> std::same_as<Result<Done>>;
  c.stop_all(fault);
};

// One process: sums are what is there. For programs that are started without others.
struct LoneCommunicator {
  int rank() const { return 0; }
  int size() const { return 1; }
  Result<Done> all_reduce_sum(float*, Index) const { return Done{}; }
  Result<Done> all_reduce_sum(double*, Index) const { return Done{}; }
  Result<Done> all_gather(const void* own, void* all, const Index* bytes) const {
    __builtin_memmove(all, own, static_cast<std::size_t>(bytes[0]));
    return Done{};
  }
  Result<Done> broadcast(void*, Index, int) const { return Done{}; }
  Result<Done> barrier() const { return Done{}; }
  [[noreturn]] void stop_all(const Fault& fault) const { stop(fault); }
};

// Any communicator behind one type, so that a trainer is compiled once. Refers, does not own.
class CommunicatorRef {
 public:
  CommunicatorRef() : CommunicatorRef(kLone) {}
  template <Communicator C>
  requires(!std::same_as<C, CommunicatorRef>) CommunicatorRef(const C& c)
      : self_(&c), calls_(&kCalls<C>), rank_(c.rank()), size_(c.size()) {}

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool is_first() const { return rank_ == 0; }
  bool is_lone() const { return size_ == 1; }
  Result<Done> all_reduce_sum(float* data, Index count) const { return calls_->sum_floats(self_, data, count); }
  Result<Done> all_reduce_sum(double* data, Index count) const { return calls_->sum_doubles(self_, data, count); }
  Result<Done> all_gather(const void* own, void* all, const Index* bytes) const {
    return calls_->gather(self_, own, all, bytes);
  }
  Result<Done> broadcast(void* data, Index bytes, int root) const {
    return calls_->broadcast(self_, data, bytes, root);
  }
  Result<Done> barrier() const { return calls_->barrier(self_); }
  [[noreturn]] void stop_all(const Fault& fault) const {
    calls_->stop_all(self_, fault);
    stop(fault);
  }
  // What a trainer does with a call that failed: nobody can go on without the others.
  void need(const Result<Done>& done) const {
    if (!done) stop_all(done.fault());
  }

 private:
  struct Calls {
    Result<Done> (*sum_floats)(const void*, float*, Index);
    Result<Done> (*sum_doubles)(const void*, double*, Index);
    Result<Done> (*gather)(const void*, const void*, void*, const Index*);
    Result<Done> (*broadcast)(const void*, void*, Index, int);
    Result<Done> (*barrier)(const void*);
    void (*stop_all)(const void*, const Fault&);
  };
  template <class C>
  static const C& of(const void* self) {
    return *static_cast<const C*>(self);
  }
  template <class C>
  static constexpr Calls kCalls{
      [](const void* self, float* data, Index count) { return of<C>(self).all_reduce_sum(data, count); },
      [](const void* self, double* data, Index count) { return of<C>(self).all_reduce_sum(data, count); },
      [](const void* self, const void* own, void* all, const Index* bytes) {
        return of<C>(self).all_gather(own, all, bytes);
      },
      [](const void* self, void* data, Index bytes, int root) { return of<C>(self).broadcast(data, bytes, root); },
      [](const void* self) { return of<C>(self).barrier(); },
      [](const void* self, const Fault& fault) { of<C>(self).stop_all(fault); }};
  static constexpr LoneCommunicator kLone{};

  const void* self_;
  const Calls* calls_;
  int rank_, size_;
};

namespace detail {

// out[j] = the sum over p of parts[p * stride + j], in the order of p. Floats are added up in double, so that however
// many ranks there are costs one rounding to float.
template <class R>
void add_in_order(const R* parts, int count, Index stride, Index n, R* out) {
  for (Index j = 0; j < n; ++j) {
    double sum = static_cast<double>(parts[j]);
    for (int p = 1; p < count; ++p) sum += static_cast<double>(parts[p * stride + j]);
    out[j] = static_cast<R>(sum);
  }
}

}  // namespace detail
}  // namespace thaw::inline v0
