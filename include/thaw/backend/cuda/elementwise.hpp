// Kernels of one number each: functions of arrays, sums of two, dropout, and the optimisers' steps.
//
//   device.each(n, grid::Map<thaw::Tanh, float>{x, y});
//
// Functors of an index (grid.hpp): run by a GPU, or by a loop.
#pragma once

#include "thaw/backend/cuda/grid.hpp"
#include "thaw/backend/kernels/vector_math.hpp"
#include "thaw/backend/optimizer_step.hpp"
#include "thaw/core/random.hpp"

namespace thaw::inline v0::grid {

template <class F, class R>
struct Map {
  const R* x;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const { y[i] = F::value(x[i]); }
};
template <class F, class R>
struct Zip {
  const R *a, *b;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const { y[i] = F::value(a[i], b[i]); }
};
template <class R>
struct Affine {
  R scale, shift;
  const R* x;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const { y[i] = scale * x[i] + shift; }
};
template <class R>
struct Fill {
  R value;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const { y[i] = value; }
};
template <class R>
struct Clamp {
  R most;
  const R* x;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const { y[i] = x[i] > most ? most : x[i] < -most ? -most : x[i]; }
};
template <class R>
struct AddScaled {
  R alpha, beta;
  const R *a, *b;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const { y[i] = alpha * a[i] + beta * b[i]; }
};

// y (rows, columns) = the row's bias: what a product with a bias is added to.
template <class R>
struct RepeatRow {
  const R* row;
  Index columns, stride;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const {
    const Index r = quotient(i, columns), j = i - r * columns;
    y[r * stride + j] = row == nullptr ? R(0) : row[j];
  }
};

// Rows of x (rows, columns) to rows of y that are `stride` numbers apart.
template <class R>
struct CopyRows {
  Index columns, stride;
  const R* x;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const {
    const Index r = quotient(i, columns);
    y[r * stride + (i - r * columns)] = x[i];
  }
};

template <class R>
struct ShiftedExp {
  Index columns;
  R scale;
  const R *x, *shift;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const { y[i] = scale * Exp::value(x[i] - shift[quotient(i, columns)]); }
};

// One call of the generator: up to eight neighbours of a row. Index: row * calls of a row + call.
template <class R>
struct Dropout {
  DropoutRule rule;
  Index columns;
  const R* x;
  R* y;
  THAW_HOST_DEVICE void operator()(Index call) const {
    const Index calls = (columns + 7) / 8, row = quotient(call, calls), begin = (call - row * calls) * 8;
    const Words4 words = rule.words(static_cast<std::uint64_t>(row), static_cast<std::uint64_t>(begin),
                                    static_cast<std::uint64_t>(columns));
    const R scale = static_cast<R>(rule.scale());
    for (Index j = begin; j < begin + 8 && j < columns; ++j) {
      const Index at = row * columns + j;
      y[at] = rule.keeps(words, static_cast<std::uint64_t>(j)) ? x[at] * scale : R(0);
    }
  }
};

// One number of Adam; the same arithmetic as Cpu::adam.
template <class R>
struct AdamNumbers {
  R keep, added, beta1, beta2, rate, correction2, epsilon;

  explicit AdamNumbers(const AdamStep& step)
      : keep(static_cast<R>(step.decoupled ? 1 - step.learning_rate * step.weight_decay : 1)),
        added(static_cast<R>(step.decoupled ? 0 : step.weight_decay)),
        beta1(static_cast<R>(step.beta1)),
        beta2(static_cast<R>(step.beta2)),
        rate(static_cast<R>(step.learning_rate * step.correction1)),
        correction2(static_cast<R>(step.correction2)),
        epsilon(static_cast<R>(step.epsilon)) {}

  THAW_HOST_DEVICE void step(R gradient, R& first, R& second, R& weight) const {
    const R slope = gradient + added * weight;
    const R m = beta1 * first + (R(1) - beta1) * slope;
    const R v = beta2 * second + (R(1) - beta2) * slope * slope;
    first = m;
    second = v;
    weight = keep * weight - rate * m / (Sqrt::value(v) * correction2 + epsilon);
  }
};
template <class R>
struct AdamEach {
  AdamNumbers<R> numbers;
  const R* gradient;
  R *first, *second, *weight;
  THAW_HOST_DEVICE void operator()(Index i) const { numbers.step(gradient[i], first[i], second[i], weight[i]); }
};
// Rows `ids` of a table; their moments fade first. Index: place in the list * width + column.
template <class R>
struct AdamRowsEach {
  AdamNumbers<R> numbers;
  Index width;
  const std::int32_t* ids;
  const R *fades, *gradient;  // (count, 2), (count, width)
  R *first, *second, *weight;
  THAW_HOST_DEVICE void operator()(Index i) const {
    const Index k = quotient(i, width), at = ids[k] * width + (i - k * width);
    R m = first[at] * fades[2 * k], v = second[at] * fades[2 * k + 1];
    numbers.step(gradient[i], m, v, weight[at]);
    first[at] = m;
    second[at] = v;
  }
};
// table[ids[k]] += factor * rows[k]; no id twice.
template <class R>
struct AddToRows {
  Index width;
  const std::int32_t* ids;
  R factor;
  const R* rows;
  R* table;
  THAW_HOST_DEVICE void operator()(Index i) const {
    const Index k = quotient(i, width), at = ids[k] * width + (i - k * width);
    table[at] = table[at] + factor * rows[i];
  }
};

}  // namespace thaw::inline v0::grid
