// Optimiser steps over all dense tensors of a model at once: a few launches a step, however many tensors there are.
//
//   const grid::TensorParts parts = grid::cut_tensors(tensors, count, arena);      // on the host
//   device.blocks(parts.count, grid::AdamAll<float>{...});
//
// A block takes kTensorPart numbers of one tensor. LAMB needs norms of whole tensors between its two passes: those are
// sums over parts in a fixed order.
#pragma once

#include "thaw/backend/cuda/elementwise.hpp"
#include "thaw/core/arena.hpp"

namespace thaw::inline v0::grid {

inline constexpr Index kTensorPart = 4096;

// Which tensor each block works on, and which part of it.
struct TensorPart {
  std::int32_t tensor;
  std::int32_t part;
};
struct TensorParts {
  Index count = 0;
  TensorPart* part = nullptr;
  std::int32_t* first = nullptr;  // (tensors + 1): the parts of a tensor are first[i] .. first[i + 1]
};

template <class R>
TensorParts cut_tensors(const TensorStep<R>* tensors, int count, Arena& arena) {
  TensorParts out;
  out.first = arena.template take<std::int32_t>(count + 1);
  for (int i = 0; i < count; ++i) {
    out.first[i] = static_cast<std::int32_t>(out.count);
    out.count += (tensors[i].size + kTensorPart - 1) / kTensorPart;
  }
  out.first[count] = static_cast<std::int32_t>(out.count);
  out.part = arena.template take<TensorPart>(out.count);
  for (int i = 0; i < count; ++i)
    for (std::int32_t p = out.first[i]; p < out.first[i + 1]; ++p) out.part[p] = {i, p - out.first[i]};
  return out;
}

// The squares of the gradients of each part, in double.
template <class R>
struct SquareParts {
  struct Shared {
    TeamFold<double> fold;
  };
  using State = Nothing;
  const TensorStep<R>* tensors;
  const TensorPart* parts;
  double* squares;  // (parts)

  THAW_HOST_DEVICE int phases(Index) const { return 3; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    if (p == 0) {
      const TensorPart part = parts[t.block];
      const TensorStep<R> tensor = tensors[part.tensor];
      const Index begin = part.part * kTensorPart, left = tensor.size - begin;
      double sum = 0;
      for (Index i = t.thread; i < kTensorPart && i < left; i += kGridThreads) {
        const double g = static_cast<double>(tensor.gradient[begin + i]);
        sum += g * g;
      }
      shared.fold.part[t.thread] = sum;
    } else if (p == 1) {
      shared.fold.template halve<kGridThreads, Plus>(t.thread);
    } else if (t.thread == 0) {
      squares[t.block] = shared.fold.template result<kGridThreads, Plus>(t.thread);
    }
  }
};
// weight = factor * gradient, number by number.
template <class R>
struct ScaleParts {
  using Shared = Nothing;
  using State = Nothing;
  R factor;
  const TensorStep<R>* tensors;
  const TensorPart* parts;

  THAW_HOST_DEVICE int phases(Index) const { return 1; }
  THAW_HOST_DEVICE void phase(int, GridThread t, Shared&, State&) const {
    const TensorPart part = parts[t.block];
    const TensorStep<R> tensor = tensors[part.tensor];
    const Index begin = part.part * kTensorPart, left = tensor.size - begin;
    for (Index i = t.thread; i < kTensorPart && i < left; i += kGridThreads)
      tensor.weight[begin + i] = factor * tensor.gradient[begin + i];
  }
};

template <class R>
struct AdamAll {
  using Shared = Nothing;
  using State = Nothing;
  AdamNumbers<R> numbers;
  const TensorStep<R>* tensors;
  const TensorPart* parts;

  THAW_HOST_DEVICE int phases(Index) const { return 1; }
  THAW_HOST_DEVICE void phase(int, GridThread t, Shared&, State&) const {
    const TensorPart part = parts[t.block];
    const TensorStep<R> tensor = tensors[part.tensor];
    const Index begin = part.part * kTensorPart,
                end = begin + kTensorPart < tensor.size ? begin + kTensorPart : tensor.size;
    for (Index i = begin + t.thread; i < end; i += kGridThreads)
      numbers.step(tensor.gradient[i], tensor.first[i], tensor.second[i], tensor.weight[i]);
  }
};

// The moments, the direction (a run of kTensorPart numbers for each part) and the squares of weights and direction.
template <class R>
struct LambDirection {
  struct Shared {
    TeamFold<double> weights, update;
  };
  using State = Nothing;
  R beta1, beta2, correction1, correction2, epsilon, decay;
  const TensorStep<R>* tensors;
  const TensorPart* parts;
  R* direction;
  double* squares;  // (parts, 2)

  THAW_HOST_DEVICE int phases(Index) const { return 3; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    if (p == 0) {
      move(t, shared);
    } else if (p == 1) {
      shared.weights.template halve<kGridThreads, Plus>(t.thread);
      shared.update.template halve<kGridThreads, Plus>(t.thread);
    } else if (t.thread == 0) {
      squares[2 * t.block] = shared.weights.template result<kGridThreads, Plus>(t.thread);
      squares[2 * t.block + 1] = shared.update.template result<kGridThreads, Plus>(t.thread);
    }
  }

 private:
  THAW_HOST_DEVICE void move(GridThread t, Shared& shared) const {
    const TensorPart part = parts[t.block];
    const TensorStep<R> tensor = tensors[part.tensor];
    const Index begin = part.part * kTensorPart,
                end = begin + kTensorPart < tensor.size ? begin + kTensorPart : tensor.size;
    double weights = 0, update = 0;
    for (Index i = begin + t.thread; i < end; i += kGridThreads) {
      const R g = tensor.gradient[i], weight = tensor.weight[i];
      const R m = beta1 * tensor.first[i] + (R(1) - beta1) * g;
      const R v = beta2 * tensor.second[i] + (R(1) - beta2) * g * g;
      tensor.first[i] = m;
      tensor.second[i] = v;
      const R step = m * correction1 / (Sqrt::value(v) * correction2 + epsilon) + decay * weight;
      direction[t.block * kTensorPart + (i - begin)] = step;
      weights += static_cast<double>(weight) * static_cast<double>(weight);
      update += static_cast<double>(step) * static_cast<double>(step);
    }
    shared.weights.part[t.thread] = weights;
    shared.update.part[t.thread] = update;
  }
};
// factor[i] = -rate * trust ratio of tensor i.
template <class R>
struct LambRatios {
  double rate, most_norm;
  const std::int32_t* first;
  const double* squares;
  R* factor;
  THAW_HOST_DEVICE void operator()(Index i) const {
    double weights = 0, update = 0;
    for (std::int32_t p = first[i]; p < first[i + 1]; ++p) {
      weights += squares[2 * p];
      update += squares[2 * p + 1];
    }
    const double weight = __builtin_sqrt(weights), length = __builtin_sqrt(update);
    const double clamped = weight < most_norm ? weight : most_norm;
    factor[i] = static_cast<R>(-rate * (weight == 0 || length == 0 ? 1 : clamped / length));
  }
};
template <class R>
struct LambApply {
  using Shared = Nothing;
  using State = Nothing;
  const TensorStep<R>* tensors;
  const TensorPart* parts;
  const R *direction, *factor;

  THAW_HOST_DEVICE int phases(Index) const { return 1; }
  THAW_HOST_DEVICE void phase(int, GridThread t, Shared&, State&) const {
    const TensorPart part = parts[t.block];
    const TensorStep<R> tensor = tensors[part.tensor];
    const Index begin = part.part * kTensorPart,
                end = begin + kTensorPart < tensor.size ? begin + kTensorPart : tensor.size;
    for (Index i = begin + t.thread; i < end; i += kGridThreads)
      tensor.weight[i] = tensor.weight[i] + factor[part.tensor] * direction[t.block * kTensorPart + (i - begin)];
  }
};

}  // namespace thaw::inline v0::grid
