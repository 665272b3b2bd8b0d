// FastWeights: one user's own copy of the tensors that adapt, in a buffer of the caller; everything else is shared.
//
//   const thaw::InnerLoop loop{.steps = 5, .rate = 0.01, .local = {"tower"}};
//   alignas(64) std::byte buffer[85000];                           // thaw::FastWeights<Model>::bytes(weights, loop)
//   thaw::FastWeights fast(weights, loop, buffer, sizeof buffer);  // copies nothing yet
//   fast.adapt(tape, [&](int step, const auto& model) { return support_loss(model); });
//   auto scores = fast.model()(items);                             // a model of Arrays
//
// Copy on write: until the first step model() reads the shared weights; a step writes the local tensors into the buffer
// and nowhere else. One step needs the arena of one gradient, however many follow: adaptation_bytes says how much. Many
// users may adapt at the same time, each with a tape of her own. No outer gradient: see meta/inner_loop.hpp for that.
#pragma once

#include "thaw/core/growing_arena.hpp"
#include "thaw/meta/inner_loop.hpp"

namespace thaw::inline v0 {

template <class M, class R = float, class B = Cpu>
class FastWeights {
 public:
  using A = Array<R, B>;
  using V = Var<R, B>;

  // Bytes of the buffer: the local tensors, each on a cache line of its own, and room to align the first.
  static std::size_t bytes(const M& shared, const InnerLoop& loop) {
    std::size_t total = kAlignment;
    for_each_tensor([&](const Path& path, const A& a) { total += loop.local.holds(path) ? padded(a.size()) : 0; },
                    shared);
    return total;
  }

  // `shared` and `buffer` must outlive this. Stops the program when the buffer is too small.
  FastWeights(const M& shared, const InnerLoop& loop, void* buffer, std::size_t size)
      : shared_(shared), loop_(loop), buffer_(buffer), model_(shared) {
    require(size >= bytes(shared, loop), "FastWeights: the buffer has ", size, " bytes, the local tensors need ",
            bytes(shared, loop));
  }

  const M& model() const { return model_; }
  const InnerLoop& loop() const { return loop_; }
  // Whether a step was taken since the start or the last reset.
  bool adapted() const { return adapted_; }
  // Back to the shared weights; the next user may come.
  void reset() {
    model_ = shared_;
    adapted_ = false;
  }

  // The steps of the loop, or another number of them, from the weights as they are now; loss(step, model) records the
  // loss on the tape, which is rewound after each step.
  template <class Loss>
  void adapt(Tape<R, B>& tape, const Loss& loss) {
    adapt(tape, loop_.steps, loss);
  }
  template <class Loss>
  void adapt(Tape<R, B>& tape, int steps, const Loss& loss) {
    for (int k = 0; k < steps; ++k)
      step(tape, k, loss, [&](const Path&, const A& w, const A& g) { return sub(w, scale(g, loop_.rate)); });
  }
  // With a model of rates (Arrays) in place of loop.rate.
  template <class Rates, class Loss>
  void adapt(Tape<R, B>& tape, int steps, const Rates& rates, const Loss& loss) {
    const auto moved = [](const Path& path, const A& w, const A& g, const A& rate) {
      return sub(w, detail::rated_step(path, rate, g));
    };
    for (int k = 0; k < steps; ++k) step(tape, k, loss, moved, rates);
  }

  // The recorded model of one step: local tensors are variables, the others constants.
  static ModelOf<M, V> recorded(Tape<R, B>& tape, const M& model, const LocalPart& local) {
    return map_model<V>(
        model, [&](const Path& path, const A& a) { return local.holds(path) ? tape.leaf(a) : tape.constant(a); });
  }

 private:
  static std::size_t padded(Index n) {
    return (static_cast<std::size_t>(n) * sizeof(R) + kAlignment - 1) / kAlignment * kAlignment;
  }

  template <class Loss, class Moved, class... Rates>
  void step(Tape<R, B>& tape, int k, const Loss& loss, const Moved& moved, const Rates&... rates) {
    Scope<R, B> scope(tape);
    const auto model = recorded(tape, model_, loop_.local);
    const A* gradients = detail::local_gradients<A>(model, loop_.local, loss(k, model));
    if (!adapted_) point_into_buffer();
    for_each_tensor(
        [&](const Path& path, const V& w, A& to, const auto&... rate) {
          if (!loop_.local.holds(path)) return;
          const A next = moved(path, w.array(), *gradients++, rate...);
          B::copy(tape.context(), to.size(), next.data, to.data);
        },
        model, model_, rates...);
  }
  // From now on the local tensors are the buffer's; the step that calls this fills them.
  void point_into_buffer() {
    Arena arena(buffer_, bytes(shared_, loop_));
    for_each_tensor(
        [&](const Path& path, A& a) {
          if (loop_.local.holds(path)) a.data = arena.template take<R>(a.size());
        },
        model_);
    adapted_ = true;
  }

  const M& shared_;
  InnerLoop loop_;
  void* buffer_;
  M model_;
  bool adapted_ = false;
};

template <class R, class B, template <Value> class M>
FastWeights(const M<Array<R, B>>&, const InnerLoop&, void*, std::size_t) -> FastWeights<M<Array<R, B>>, R, B>;

// Bytes of arena that one step of adapting with this loss takes: what a fixed buffer must have for a tape over it. Runs
// the step once on a heap arena, on the host; depends on shapes alone, so ask with the largest support set.
template <class R, class B, template <Value> class M, class Loss>
std::size_t adaptation_bytes(const M<Array<R, B>>& shared, const InnerLoop& loop, typename B::Context context,
                             const Loss& loss) {
  GrowingArena arena;
  context.arena = &arena;
  Tape<R, B> tape(context);
  using Fast = FastWeights<M<Array<R, B>>, R, B>;
  const std::size_t size = Fast::bytes(shared, loop);
  void* buffer = arena.take_bytes(size);
  const std::size_t before = arena.used();
  Fast fast(shared, loop, buffer, size);
  fast.adapt(tape, 1, loss);
  return arena.peak() - before + kAlignment;
}

}  // namespace thaw::inline v0
