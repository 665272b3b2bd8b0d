// FusedStep: the loss of a click model on a batch and the gradients of all its weights, block by block in cache and
// without a tape. For base models that are tables, a tower and pairs (FM, Wide & Deep, DeepFM):
//
//   struct DeepFm { static constexpr bool kFusedPairs = true; ClickTables<T> tables; Mlp<T> deep; ... };
//
//   FusedStep<DeepFm<Spec>> step(model, context);                      // model of Arrays; context: arena and threads
//   thaw::GradientList<float, Backend> gradients;                      // for an optimiser; lives in the arena
//   double loss = step.gradient(batch, dropout, parameters, gradients);
//
// The same loss and gradients as click_loss(model.logits(...)), to rounding. A batch is cut into chunks whose number
// depends on its rows alone, and what chunks add up is joined in their order: the result is the same to the bit for any
// number of threads.
#pragma once

#include "mwuf/base_model.hpp"
#include "mwuf/fused_rows.hpp"
#include "mwuf/fused_tower.hpp"
#include "thaw/backend/tasks.hpp"
#include "thaw/optim/parameters.hpp"

namespace mwuf {

// Base models, as plans, that say whether they add the products of all pairs (of fields).
template <class Plan>
concept Fusible = requires {
  Plan::kFusedPairs;
};

template <class Plan>
class FusedStep {
 public:
  using Model = thaw::ModelOf<Plan, FloatArray>;

  FusedStep(const Model& model, Backend::Context& context) : model_(model), context_(context) {
    if constexpr (requires { model.deep; }) tower_ = FusedTower(model.deep);
  }

  // The loss; `out` becomes what Parameters::gradient gives, without what a batch does not touch.
  double gradient(const ClickBatch<>& batch, const ItemDropout& dropout,
                  const thaw::Parameters<Plan, float, Backend>& parameters, thaw::GradientList<float, Backend>& out) {
    thaw::require(batch.labels != nullptr && batch.rows > 0, "FusedStep: a batch without rows or labels");
    thaw::Arena& arena = *context_.arena;
    FusedRows rows(model_.tables, batch, dropout, Plan::kFusedPairs, context_);
    const Chunks chunks(batch.rows);
    const Index stride = (tower_.size() + 1 + 15) / 16 * 16;  // the bias of the model comes last
    float* const sums = arena.take<float>(chunks.count * stride);
    double* const losses = arena.take<double>(chunks.count);
    const int threads = thaw::threads_of(context_);
    {
      thaw::ArenaScope scope(arena);
      float* const spaces = arena.take<float>(threads * space_of(rows));
      thaw::each_task(threads, chunks.count, [&](Index c, int thread) {
        losses[c] = chunk(rows, batch, chunks.first[c], chunks.first[c + 1], spaces + thread * space_of(rows),
                          sums + c * stride);
      });
    }
    double loss = 0;
    for (Index c = 0; c < chunks.count; ++c) loss += losses[c];
    const int parts = chunks.count * stride < kWorthAThread ? 1 : threads;
    thaw::in_parallel(parts, [&](int part) {
      const Index lines = stride / 16, begin = lines * part / parts * 16, end = lines * (part + 1) / parts * 16;
      for (Index c = 1; c < chunks.count; ++c)
        thaw::zip<thaw::op::PlusFunction>(context_.isa, end - begin, static_cast<const float*>(sums + begin),
                                          static_cast<const float*>(sums + c * stride + begin), sums + begin);
    });
    list(rows, parameters, sums, out);
    return loss / static_cast<double>(batch.rows);
  }

 private:
  // A batch in chunks that get smaller, so that threads of unequal speed end together; none is below half a block.
  struct Chunks {
    static constexpr Index kUnit = FusedTower::kBlock / 2, kMost = 64;
    Index count = 0, first[kMost + 1] = {0};
    explicit Chunks(Index rows) {
      const Index units = rows < 2 * kUnit ? 1 : rows / kUnit, most = (units + 7) / 8;
      for (Index done = 0; done < units; first[++count] = done < units ? rows * done / units : rows) {
        const Index share = (units - done) / 3;
        done += count + 1 == kMost ? units - done : share < 1 ? 1 : share < most ? share : most;
      }
    }
  };
  static constexpr Index kWorthAThread = 1 << 17;  // numbers to be joined
  static constexpr Index kOwn = 4;                 // of a block: logits, slopes, losses, and room to align them
  Index space_of(const FusedRows& rows) const {
    const Index numbers = FusedTower::kBlock * (2 * rows.joined() + kOwn) + tower_.space();
    return (numbers + 15) / 16 * 16;
  }

  // Rows begin .. end; the sum of their losses.
  double chunk(const FusedRows& rows, const ClickBatch<>& batch, Index begin, Index end, float* space,
               float* sums) const {
    constexpr Index kBlock = FusedTower::kBlock;
    float* const x = space;
    float* const d_x = x + kBlock * rows.joined();
    float* const z = d_x + kBlock * rows.joined();
    float* const g = z + kBlock;
    float* const losses = g + kBlock;
    float* const tower = losses + kBlock;
    thaw::fill(context_.isa, tower_.size() + 1, 0.0F, sums);
    if (tower_.size() == 0) thaw::fill(context_.isa, kBlock * rows.joined(), 0.0F, d_x);
    const float share = 1.0F / static_cast<float>(batch.rows);
    double loss = 0;
    for (; begin < end; begin += kBlock) {
      const Index count = begin + kBlock < end ? kBlock : end - begin;
      rows.read(begin, count, x, z);
      if constexpr (requires { model_.bias; })
        for (Index r = 0; r < count; ++r) z[r] += model_.bias[0];
      tower_.forward(context_.isa, count, x, tower, z);
      thaw::zip(context_.isa, count, static_cast<const float*>(z), batch.labels + begin, g, Slope{share});
      thaw::map<thaw::Softplus>(context_.isa, count, static_cast<const float*>(z), losses);
      for (Index r = 0; r < count; ++r) {
        loss +=
            static_cast<double>(losses[r]) - static_cast<double>(z[r]) * static_cast<double>(batch.labels[begin + r]);
        sums[tower_.size()] += g[r];
      }
      tower_.backward(context_.isa, count, g, x, tower, d_x, sums);
      rows.write(begin, count, x, d_x, g);
    }
    return loss;
  }

  struct Slope {
    float share;
    template <class V>
    THAW_ALWAYS_INLINE V value(V z, V y) const {
      return share * (thaw::Sigmoid::value(z) - y);
    }
  };

  // The gradients in the order of the parameters, which know their tensors by where they are.
  void list(const FusedRows& rows, const thaw::Parameters<Plan, float, Backend>& parameters, float* sums,
            thaw::GradientList<float, Backend>& out) const {
    thaw::Arena& arena = *context_.arena;
    const int count = parameters.count();
    out = {count, arena.take<FloatArray>(count), arena.take<thaw::RowGradient<float, Backend>*>(count)};
    for (int i = 0; i < count; ++i) {
      const auto& slot = parameters.slot(i);
      out.dense[i] = FloatArray{};
      out.rows[i] = slot.row_table ? rows.gradient_of(slot.value.data) : nullptr;
      if (slot.row_table) continue;
      float* const from = dense_of(slot.value.data, sums);
      thaw::require(from != nullptr, "FusedStep: the model has a tensor that is no part of it, ", slot.path);
      out.dense[i] = {from, &context_, slot.value.shape};
    }
  }
  float* dense_of(const float* weight, float* sums) const {
    if constexpr (requires { model_.bias; })
      if (weight == model_.bias.data) return sums + tower_.size();
    if constexpr (requires { model_.deep; })
      for (int l = 0; l < model_.deep.layers.count; ++l) {
        if (weight == model_.deep.layers[l].weight.data) return sums + tower_.weight_at(l);
        if (weight == model_.deep.layers[l].bias.data) return sums + tower_.bias_at(l);
      }
    return nullptr;
  }

  const Model& model_;
  Backend::Context& context_;
  FusedTower tower_;
};

}  // namespace mwuf
