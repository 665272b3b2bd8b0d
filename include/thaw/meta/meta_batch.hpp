// MetaBatch: the mean gradient over the users of a meta-batch, on any number of threads with the same result.
//
//   thaw::MetaBatch<Model, float, Backend> batch(parameters.values(), context, /*threads*/ 2);
//   const double loss = batch.gradient(users, [&](auto& worker, const auto& model, thaw::Index user) {
//     const auto fast = thaw::adapt(model, loop, [&](int, const auto& m) { return support_loss(worker, m, user); });
//     return query_loss(worker, fast, user);                       // a recorded, one-element loss
//   });
//   adam.step(parameters, thaw::GradientList<float, Backend>{batch.count(), batch.dense(), batch.rows()}, rate);
//
// Each worker has its own arena, context and tape over the shared weights. Gradients are added in the order of the
// episodes, whoever computed them, so that the sum is the same, bit for bit, for every number of threads. Nothing is
// taken from the heap once the largest user has been seen. Without OpenMP in the build the count is taken as one. Not
// an optimiser, and not a data loader.
#pragma once

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <memory>

#include "thaw/core/growing_arena.hpp"
#include "thaw/meta/unroll.hpp"

namespace thaw::inline v0 {

// What one thread computes with.
template <class R, class B>
struct MetaWorker {
  int number;
  GrowingArena arena;
  typename B::Context context;
  Tape<R, B> tape;

  MetaWorker(int n, typename B::Context like) : number(n), context(like), tape(context) {
    context.arena = &arena;
    if constexpr (requires { context.threads; }) context.threads = 1;
  }
};

// How the gradient of a tensor is added up.
enum class MetaGradient : std::uint8_t {
  dense,     // as it comes
  gathered,  // the losses read it by gather alone: touched rows are added into a dense gradient
  rows       // the same, but the touched rows are kept as a list: what optimisers take for row tables
};

template <class M, class R = float, class B = Cpu>
class MetaBatch {
 public:
  using A = Array<R, B>;
  using V = Var<R, B>;
  using Worker = MetaWorker<R, B>;
  using Recorded = ModelOf<M, V>;
  using Context = typename B::Context;

  // kind(path) says how each tensor's gradient is added up. `weights` must outlive this and may change between calls.
  template <class Kind>
  MetaBatch(const M& weights, const Context& like, int threads, const Kind& kind)
      : weights_(weights), threads_(threads), count_(tensor_count(weights)), sums_(-1, like), kept_(-1, like) {
    require(threads >= 1, "MetaBatch: ", threads, " threads, at least one is needed");
    workers_ = std::make_unique<std::unique_ptr<Worker>[]>(static_cast<std::size_t>(threads));
    for (int t = 0; t < threads; ++t) workers_[static_cast<std::size_t>(t)] = std::make_unique<Worker>(t, like);
    Arena& arena = sums_.arena;
    dense_ = arena.template take<A>(count_);
    rows_ = arena.template take<List*>(count_);
    ends_ = arena.template take<List**>(count_);
    kinds_ = arena.template take<MetaGradient>(count_);
    int i = 0;
    for_each_tensor(
        [&](const Path& path, const A& a) {
          kinds_[i] = kind(path);
          dense_[i] = kinds_[i] == MetaGradient::rows ? A{} : A::make(sums_.context, a.shape);
          rows_[i++] = nullptr;
        },
        weights_);
  }
  MetaBatch(const M& weights, const Context& like, int threads)
      : MetaBatch(weights, like, threads, [](const Path&) { return MetaGradient::dense; }) {}
  MetaBatch(const MetaBatch&) = delete;
  MetaBatch& operator=(const MetaBatch&) = delete;

  // The mean over `episodes` of loss(worker, recorded model, episode) and, afterwards, of its gradients. The loss lives
  // on the worker's tape, which is rewound after each episode.
  template <class Loss>
  double gradient(Index episodes, const Loss& loss) {
    start();
    const R share = R(1) / static_cast<R>(episodes);
    double total = 0;
    run(
        episodes,
        [&](Worker& worker, Index episode) {
          Result result = make_result(worker);
          const Recorded model = leaves(worker, result);
          const V value = loss(worker, model, episode);
          result.loss = static_cast<double>(value.item());
          auto seed = A::make(worker.context, value.shape);
          B::fill(worker.context, seed.size(), share, seed.data);
          pull_back<A, R, B>(value, seed, {result.wanted, count_, result.dense, result.targets});
          return result;
        },
        [&](const Result& result) {
          total += result.loss;
          for (int i = 0; i < count_; ++i) add(i, result);
        });
    return episodes > 0 ? total / static_cast<double>(episodes) : 0;
  }

  // visit(worker, episode) for all episodes, on all threads, in any order; the worker's arena is rewound after each.
  template <class Visit>
  void each(Index episodes, const Visit& visit) {
    run(
        episodes,
        [&](Worker& worker, Index episode) {
          visit(worker, episode);
          return 0;
        },
        [](int) {});
  }

  // The mean gradient of the last call, tensor by tensor in the order of the model, until the next call.
  int count() const { return count_; }
  A* dense() const { return dense_; }
  RowGradient<R, B>** rows() const { return rows_; }
  int threads() const { return threads_; }
  // The most bytes that a worker's arena held, and all bytes together.
  std::size_t worker_peak_bytes() const {
    std::size_t peak = 0;
    for (int t = 0; t < threads_; ++t) peak = (std::max)(peak, worker(t).arena.peak());
    return peak;
  }
  std::size_t capacity_bytes() const {
    std::size_t bytes = sums_.arena.capacity() + kept_.arena.capacity();
    for (int t = 0; t < threads_; ++t) bytes += worker(t).arena.capacity();
    return bytes;
  }

 private:
  using List = RowGradient<R, B>;
  struct Result {
    double loss;
    V* wanted;
    A* dense;
    List** lists;
    List*** targets;
  };

  Worker& worker(int t) const { return *workers_[static_cast<std::size_t>(t)]; }

  void start() {
    kept_.arena.rewind(empty_);
    for (int i = 0; i < count_; ++i) {
      rows_[i] = nullptr;
      ends_[i] = &rows_[i];
      if (kinds_[i] != MetaGradient::rows) B::fill(sums_.context, dense_[i].size(), R(0), dense_[i].data);
    }
  }
  Result make_result(Worker& worker) const {
    Arena& arena = worker.arena;
    Result r{0, arena.template take<V>(count_), arena.template take<A>(count_), arena.template take<List*>(count_),
             arena.template take<List**>(count_)};
    for (int i = 0; i < count_; ++i) {
      r.dense[i] = A{};
      r.lists[i] = nullptr;
      r.targets[i] = kinds_[i] == MetaGradient::dense ? nullptr : &r.lists[i];
    }
    return r;
  }
  Recorded leaves(Worker& worker, Result& result) const {
    int i = 0;
    return map_unnamed<V>(weights_, [&](const A& a) { return result.wanted[i++] = worker.tape.leaf(a); });
  }

  // compute(worker, episode) on the threads, then take(its result) in the order of the episodes.
  template <class Compute, class Take>
  void run(Index episodes, const Compute& compute, const Take& take) {
#if defined(_OPENMP)
    if (threads_ > 1) {
#pragma omp parallel for ordered schedule(dynamic, 1) num_threads(threads_)
      for (Index episode = 0; episode < episodes; ++episode) {
        Worker& own = worker(omp_get_thread_num());
        Scope<R, B> scope(own.tape);
        const auto result = compute(own, episode);
#pragma omp ordered
        take(result);
      }
      level_arenas();
      return;
    }
#endif
    for (Index episode = 0; episode < episodes; ++episode) {
      Scope<R, B> scope(worker(0).tape);
      take(compute(worker(0), episode));
    }
  }
  // Whoever meets the largest user next must not need the heap for it.
  void level_arenas() {
    const std::size_t peak = worker_peak_bytes();
    if (peak <= level_) return;
    level_ = peak;
    for (int t = 0; t < threads_; ++t) worker(t).arena.reserve(peak);
  }

  // Adds the gradient of tensor i.
  void add(int i, const Result& result) {
    A& sum = dense_[i];
    switch (kinds_[i]) {
      case MetaGradient::dense:
        B::add_scaled(sums_.context, sum.size(), R(1), sum.data, R(1), result.dense[i].data, sum.data);
        break;
      case MetaGradient::gathered:
        for (const List* g = result.lists[i]; g != nullptr; g = g->next)
          B::scatter_add(sums_.context, g->bags, g->rows.data, sum.shape[1], sum.data);
        break;
      case MetaGradient::rows:
        for (const List* g = result.lists[i]; g != nullptr; g = g->next) keep(i, *g);
        break;
    }
  }
  // Copies rows out of a worker's arena, to the end of the list.
  void keep(int i, const List& from) {
    Arena& arena = kept_.arena;
    const Bags& bags = from.bags;
    const Index begin = bags.count > 0 ? bags.begin(0) : 0;
    const Index entries = bags.count > 0 ? bags.end(bags.count - 1) - begin : 0;
    auto* ids = arena.template take<std::int32_t>(entries);
    for (Index e = 0; e < entries; ++e) ids[e] = bags.ids[begin + e];
    std::int32_t* offsets = nullptr;
    if (bags.offsets != nullptr) {
      offsets = arena.template take<std::int32_t>(bags.count + 1);
      for (Index s = 0; s <= bags.count; ++s) offsets[s] = static_cast<std::int32_t>(bags.offsets[s] - begin);
    }
    auto* to = arena.template take<List>(1);
    *to = {Bags{ids, offsets, bags.count, bags.mean}, A::make(kept_.context, from.rows.shape), nullptr};
    B::copy(kept_.context, from.rows.size(), from.rows.data, to->rows.data);
    *ends_[i] = to;
    ends_[i] = &to->next;
  }

  const M& weights_;
  int threads_;
  int count_;
  Worker sums_;  // the sums, for good
  Worker kept_;  // the rows of the last call
  Arena::Mark empty_ = kept_.arena.mark();
  std::unique_ptr<std::unique_ptr<Worker>[]> workers_;
  A* dense_ = nullptr;
  List** rows_ = nullptr;
  List*** ends_ = nullptr;
  MetaGradient* kinds_ = nullptr;
  std::size_t level_ = 0;  // bytes that every worker's arena holds in one piece
};

}  // namespace thaw::inline v0
