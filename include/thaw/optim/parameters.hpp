// Parameters: the weights of a model, in groups that an optimiser can step fast.
//
//   thaw::Parameters<thaw::Mlp<thaw::Spec>, float> parameters(plan, context, /*seed*/ 7);
//   auto net = parameters.on(tape);                                   // Mlp<Var<float>>
//   optimiser.step(parameters, parameters.gradient(loss));
//   auto model = parameters.values();                                 // Mlp<Array<float>>, for scoring
//
// Dense tensors share one aligned block; a row table owns its own, with the last step that touched each row. The
// memory comes from the context's arena and lives as long as that does.
#pragma once

#include "thaw/autodiff/gradient.hpp"
#include "thaw/core/random.hpp"

namespace thaw::inline v0 {

// One tensor as an optimiser sees it.
template <class R, class B>
struct ParameterSlot {
  Path path;
  Array<R, B> value;
  bool row_table = false;
  std::int32_t* last_step = nullptr;  // (rows) of a row table: the step that touched the row last, 0 for never
};

// The gradients of all tensors in the order of the model: dense ones as arrays, row tables as lists of touched rows.
template <class R, class B>
struct GradientList {
  int count = 0;
  Array<R, B>* dense = nullptr;
  RowGradient<R, B>** rows = nullptr;
};

template <class Plan, class R = float, class B = Cpu>
class Parameters {
 public:
  using A = Array<R, B>;
  using V = Var<R, B>;
  using Context = typename B::Context;
  using Model = ModelOf<Plan, A>;
  using Recorded = ModelOf<Plan, V>;

  // Allocates and draws the start values: each tensor has its own stream of the seed, named by its position.
  Parameters(const Plan& plan, Context& context, std::uint64_t seed) : context_(&context), count_(tensor_count(plan)) {
    Arena& arena = *context.arena;
    slots_ = arena.template take<ParameterSlot<R, B>>(count_);
    leaves_ = arena.template take<V>(count_);
    Index dense = 0;
    for_each_tensor([&](const Path&, const Spec& s) { dense += s.row_table ? 0 : padded(s.shape.size()); }, plan);
    block_ = A::make(context, {dense});
    B::fill(context, dense, R(0), block_.data);
    Index at = 0;
    int i = 0;
    values_ = map_model<A>(plan, [&](const Path& path, const Spec& spec) {
      auto& slot = *::new (static_cast<void*>(slots_ + i)) ParameterSlot<R, B>{path, {}, spec.row_table, nullptr};
      if (spec.row_table) {
        slot.value = A::make(context, spec.shape);
        slot.last_step = arena.template take<std::int32_t>(spec.shape[0]);
        for (Index r = 0; r < spec.shape[0]; ++r) slot.last_step[r] = 0;
      } else {
        slot.value = {block_.data + at, &context, spec.shape};
        at += padded(spec.shape.size());
      }
      start(spec, slot.value, Philox(seed, static_cast<std::uint64_t>(i)));
      ++i;
      return slot.value;
    });
  }
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;

  // The model over the weights themselves, for scoring.
  const Model& values() const { return values_; }
  // The model as variables of a tape; valid until the tape rewinds.
  Recorded on(Tape<R, B>& tape) {
    int i = 0;
    return map_unnamed<V>(values_, [&](const A& a) { return leaves_[i++] = tape.leaf(a); });
  }
  // Gradients with respect to the variables of the last on(): what optimisers take.
  GradientList<R, B> gradient(const V& loss) {
    Arena& arena = loss.tape->arena();
    GradientList<R, B> list{count_, arena.template take<A>(count_), arena.template take<RowGradient<R, B>*>(count_)};
    auto*** targets = arena.template take<RowGradient<R, B>**>(count_);
    for (int i = 0; i < count_; ++i) {
      list.rows[i] = nullptr;
      list.dense[i] = A{};
      targets[i] = slots_[i].row_table ? &list.rows[i] : nullptr;
    }
    pull_back<A, R, B>(loss, detail::one_for(loss), {leaves_, count_, list.dense, targets});
    return list;
  }

  Context& context() const { return *context_; }
  int count() const { return count_; }
  const ParameterSlot<R, B>& slot(int i) const { return slots_[i]; }
  ParameterSlot<R, B>& slot(int i) { return slots_[i]; }
  // All dense tensors in one run of memory (with the padding between them, always zero).
  const A& dense_block() const { return block_; }

 private:
  static Index padded(Index n) {
    constexpr Index kStep = static_cast<Index>(kAlignment / sizeof(R));
    return (n + kStep - 1) / kStep * kStep;
  }
  // Drawn on the host, so that they are the same wherever a model is trained.
  void start(const Spec& spec, const A& to, Philox rng) {
    if constexpr (has_own_memory<Context>) {
      ArenaScope scope(*context_->arena);
      R* const numbers = context_->arena->template take<R>(to.size());
      draw(spec, numbers, to.size(), rng);
      B::upload(*context_, to.size(), numbers, to.data);
    } else {
      draw(spec, to.data, to.size(), rng);
    }
  }
  static void draw(const Spec& spec, R* to, Index size, Philox rng) {
    for (Index i = 0; i < size; ++i) {
      R& x = to[i];
      switch (spec.init.kind) {
        case Init::Kind::constant:
          x = static_cast<R>(spec.init.scale);
          break;
        case Init::Kind::uniform:
          x = static_cast<R>(rng.uniform(-spec.init.scale, spec.init.scale));
          break;
        case Init::Kind::normal:
          x = static_cast<R>(spec.init.scale * rng.normal());
          break;
      }
    }
  }

  Context* context_;
  int count_;
  ParameterSlot<R, B>* slots_;
  V* leaves_;
  A block_;
  Model values_;
};

}  // namespace thaw::inline v0
