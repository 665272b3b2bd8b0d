// Kernels over rows of any length: softmax with a bias or without, its gradient, log of the sum of exponentials.
//
//   device.blocks(grid::blocks_of_rows<32>(rows), grid::Softmax<float, 32>{rows, columns, x, bias, stride, y});
//
// A team of threads has a row and reads it from memory three times at most. Rows of a ragged batch: attention.hpp.
#pragma once

#include "thaw/backend/cuda/grid.hpp"
#include "thaw/backend/kernels/vector_math.hpp"

namespace thaw::inline v0::grid {

// What a team of T threads needs for two folds in one kernel.
template <class R>
struct TwoFolds {
  TeamFold<R> first, second;
};

// y = softmax(x + bias) of each row; bias (columns numbers at bias + row * bias_stride) may be null.
template <class R, int T>
struct Softmax {
  using Shared = TwoFolds<R>;
  using State = Nothing;
  Index rows, columns;
  const R *x, *bias;
  Index bias_stride;
  R* y;

  THAW_HOST_DEVICE int phases(Index) const { return 5; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    const RowOfTeam<T> team(t);
    const bool inside = team.row < rows;
    if (p == 0) {
      R most = -static_cast<R>(thaw::detail::kInfinity);
      for (Index j = team.lane; inside && j < columns; j += T) most = Larger::value(most, input(team.row, j));
      shared.first.part[t.thread] = most;
    } else if (p == 1) {
      shared.first.template halve<T, Larger>(t.thread);
    } else if (p == 2) {
      const R most = shared.first.template result<T, Larger>(t.thread);
      R sum = 0;
      for (Index j = team.lane; inside && j < columns; j += T) {
        const R e = Exp::value(input(team.row, j) - most);
        y[team.row * columns + j] = e;
        sum += e;
      }
      shared.second.part[t.thread] = sum;
    } else if (p == 3) {
      shared.second.template halve<T, Plus>(t.thread);
    } else {
      const R inverse = R(1) / shared.second.template result<T, Plus>(t.thread);
      for (Index j = team.lane; inside && j < columns; j += T) y[team.row * columns + j] *= inverse;
    }
  }

 private:
  THAW_HOST_DEVICE R input(Index row, Index j) const {
    const R value = x[row * columns + j];
    return bias == nullptr ? value : value + bias[row * bias_stride + j];
  }
};

// d = y (g - sum(g y)) of each row.
template <class R, int T>
struct SoftmaxBackward {
  struct Shared {
    TeamFold<R> fold;
  };
  using State = Nothing;
  Index rows, columns;
  const R *y, *g;
  R* d;

  THAW_HOST_DEVICE int phases(Index) const { return 3; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    const RowOfTeam<T> team(t);
    const bool inside = team.row < rows;
    const Index start = team.row * columns;
    if (p == 0) {
      R dot = 0;
      for (Index j = team.lane; inside && j < columns; j += T) dot += g[start + j] * y[start + j];
      shared.fold.part[t.thread] = dot;
    } else if (p == 1) {
      shared.fold.template halve<T, Plus>(t.thread);
    } else {
      const R dot = shared.fold.template result<T, Plus>(t.thread);
      for (Index j = team.lane; inside && j < columns; j += T) d[start + j] = y[start + j] * (g[start + j] - dot);
    }
  }
};

// y[row] = log(sum(exp(row of x))).
template <class R, int T>
struct LogSumExp {
  using Shared = TwoFolds<R>;
  using State = Nothing;
  Index rows, columns;
  const R* x;
  R* y;

  THAW_HOST_DEVICE int phases(Index) const { return 5; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    const RowOfTeam<T> team(t);
    const bool inside = team.row < rows;
    const R* const from = x + team.row * columns;
    if (p == 0) {
      R most = -static_cast<R>(thaw::detail::kInfinity);
      for (Index j = team.lane; inside && j < columns; j += T) most = Larger::value(most, from[j]);
      shared.first.part[t.thread] = most;
    } else if (p == 1) {
      shared.first.template halve<T, Larger>(t.thread);
    } else if (p == 2) {
      const R most = shared.first.template result<T, Larger>(t.thread);
      R sum = 0;
      for (Index j = team.lane; inside && j < columns; j += T) sum += Exp::value(from[j] - most);
      shared.second.part[t.thread] = sum;
    } else if (p == 3) {
      shared.second.template halve<T, Plus>(t.thread);
    } else if (inside && team.lane == 0) {
      y[team.row] = shared.first.template result<T, Larger>(t.thread) +
                    Log::value(shared.second.template result<T, Plus>(t.thread));
    }
  }
};

// out[0] = the mean over rows with a class of totals[row] - x[row, class]; one block.
template <class R>
struct TokenLoss {
  struct Shared {
    TeamFold<double> fold;
  };
  using State = Nothing;
  Index rows, columns, counted;
  const std::int32_t* classes;
  const R *x, *totals;
  R* out;

  THAW_HOST_DEVICE int phases(Index) const { return 3; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    if (p == 0) {
      double sum = 0;
      for (Index i = t.thread; i < rows; i += kGridThreads)
        if (classes[i] >= 0) sum += static_cast<double>(totals[i]) - static_cast<double>(x[i * columns + classes[i]]);
      shared.fold.part[t.thread] = sum;
    } else if (p == 1) {
      shared.fold.template halve<kGridThreads, Plus>(t.thread);
    } else if (t.thread == 0) {
      out[0] = static_cast<R>(shared.fold.template result<kGridThreads, Plus>(t.thread) / static_cast<double>(counted));
    }
  }
};
// Its gradient: (softmax - one-hot) g / counted, zero for rows without a class.
template <class R>
struct TokenLossBackward {
  Index columns, counted;
  const std::int32_t* classes;
  const R *g, *x, *totals;
  R* d;
  THAW_HOST_DEVICE void operator()(Index i) const {
    const Index row = quotient(i, columns), id = classes[row];
    const R each = g[0] / static_cast<R>(counted);
    R value = 0;
    if (id >= 0) value = each * Exp::value(x[i] - totals[row]) - (i - row * columns == id ? each : R(0));
    d[i] = value;
  }
};

}  // namespace thaw::inline v0::grid
