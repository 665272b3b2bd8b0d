// Kernels of layer_norm and rms_norm, and of their gradients.
//
//   device.blocks(grid::blocks_of_rows<32>(rows), grid::Normalize<float, 32, true>{...});
//
// `kCentred` says which: layer_norm subtracts the mean and adds a bias, rms_norm does neither. The gradients of weight
// and bias are sums over rows, taken in two steps whose order is fixed.
#pragma once

#include "thaw/backend/cuda/softmax.hpp"

namespace thaw::inline v0::grid {

// y = (x - mean) / deviation * weight + bias; or x / root mean square * weight.
template <class R, int T, bool kCentred>
struct Normalize {
  using Shared = TwoFolds<R>;
  using State = Nothing;
  Index rows, columns;
  R epsilon;
  const R *x, *weight, *bias;
  R* y;

  THAW_HOST_DEVICE int phases(Index) const { return kCentred ? 5 : 3; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    if constexpr (kCentred) {
      if (p == 0) return sum(t, shared);
      if (p == 1) return shared.first.template halve<T, Plus>(t.thread);
      p -= 2;
    }
    if (p == 0) return squares(t, shared);
    if (p == 1) return shared.second.template halve<T, Plus>(t.thread);
    write(t, shared);
  }

 private:
  THAW_HOST_DEVICE void sum(GridThread t, Shared& shared) const {
    const RowOfTeam<T> team(t);
    R total = 0;
    for (Index j = team.lane; team.row < rows && j < columns; j += T) total += x[team.row * columns + j];
    shared.first.part[t.thread] = total;
  }
  THAW_HOST_DEVICE R mean(GridThread t, const Shared& shared) const {
    if constexpr (kCentred)
      return shared.first.template result<T, Plus>(t.thread) / static_cast<R>(columns);
    else
      return R(0);
  }
  THAW_HOST_DEVICE void squares(GridThread t, Shared& shared) const {
    const RowOfTeam<T> team(t);
    const R middle = mean(t, shared);
    R total = 0;
    for (Index j = team.lane; team.row < rows && j < columns; j += T) {
      const R d = x[team.row * columns + j] - middle;
      total += d * d;
    }
    shared.second.part[t.thread] = total;
  }
  THAW_HOST_DEVICE void write(GridThread t, const Shared& shared) const {
    const RowOfTeam<T> team(t);
    const R middle = mean(t, shared);
    const R variance = shared.second.template result<T, Plus>(t.thread) / static_cast<R>(columns);
    const R inverse = R(1) / Sqrt::value(variance + epsilon);
    for (Index j = team.lane; team.row < rows && j < columns; j += T) {
      const Index at = team.row * columns + j;
      const R normal = (x[at] - middle) * inverse * weight[j];
      y[at] = kCentred ? normal + bias[j] : normal;
    }
  }
};

// d_x, and the two numbers of each row that the sums over rows need again.
template <class R, int T, bool kCentred>
struct NormalizeBackward {
  struct Shared {
    TwoFolds<R> moments, slopes;
  };
  using State = Nothing;
  Index rows, columns;
  R epsilon;
  const R *x, *weight, *g;
  R *d_x, *row_numbers;  // (rows, 2): mean, inverse deviation

  THAW_HOST_DEVICE int phases(Index) const { return 7; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    if (p == 0) return add(t, shared.moments.first, [&](Index at, Index) { return kCentred ? x[at] : R(0); });
    if (p == 1) return shared.moments.first.template halve<T, Plus>(t.thread);
    const R middle = shared.moments.first.template result<T, Plus>(t.thread) / static_cast<R>(columns);
    if (p == 2) {
      return add(t, shared.moments.second, [&](Index at, Index) {
        const R d = x[at] - middle;
        return d * d;
      });
    }
    if (p == 3) return shared.moments.second.template halve<T, Plus>(t.thread);
    const R variance = shared.moments.second.template result<T, Plus>(t.thread) / static_cast<R>(columns);
    const R inverse = R(1) / Sqrt::value(variance + epsilon);
    if (p == 4) {
      add(t, shared.slopes.first, [&](Index at, Index j) { return kCentred ? g[at] * weight[j] : R(0); });
      add(t, shared.slopes.second, [&](Index at, Index j) { return g[at] * weight[j] * ((x[at] - middle) * inverse); });
    } else if (p == 5) {
      shared.slopes.first.template halve<T, Plus>(t.thread);
      shared.slopes.second.template halve<T, Plus>(t.thread);
    } else {
      write(t, shared, middle, inverse);
    }
  }

 private:
  template <class Term>
  THAW_HOST_DEVICE void add(GridThread t, TeamFold<R>& fold, const Term& term) const {
    const RowOfTeam<T> team(t);
    R total = 0;
    for (Index j = team.lane; team.row < rows && j < columns; j += T) total += term(team.row * columns + j, j);
    fold.part[t.thread] = total;
  }
  THAW_HOST_DEVICE void write(GridThread t, const Shared& shared, R middle, R inverse) const {
    const RowOfTeam<T> team(t);
    if (team.row >= rows) return;
    const R n = static_cast<R>(columns);
    const R sum = shared.slopes.first.template result<T, Plus>(t.thread);
    const R dot = shared.slopes.second.template result<T, Plus>(t.thread);
    for (Index j = team.lane; j < columns; j += T) {
      const Index at = team.row * columns + j;
      const R normal = (x[at] - middle) * inverse;
      d_x[at] = inverse * (g[at] * weight[j] - sum / n - normal * dot / n);
    }
    if (team.lane != 0) return;
    row_numbers[2 * team.row] = middle;
    row_numbers[2 * team.row + 1] = inverse;
  }
};

// Partial sums over the rows of a chunk: parts (chunks, columns) of d_weight, then as many of d_bias.
template <class R>
struct NormalizeColumns {
  Index rows, columns, chunk, chunks;
  const R *x, *g, *row_numbers;
  R* parts;
  bool centred;
  THAW_HOST_DEVICE void operator()(Index i) const {
    const Index c = quotient(i, columns), j = i - c * columns;
    const Index end = (c + 1) * chunk < rows ? (c + 1) * chunk : rows;
    R weight = 0, bias = 0;
    for (Index row = c * chunk; row < end; ++row) {
      const R slope = g[row * columns + j];
      weight += slope * ((x[row * columns + j] - row_numbers[2 * row]) * row_numbers[2 * row + 1]);
      bias += slope;
    }
    parts[i] = weight;
    if (centred) parts[chunks * columns + i] = bias;
  }
};
// d_weight and d_bias += the sums of all chunks, in their order.
template <class R>
struct AddColumns {
  Index columns, chunks;
  const R* parts;
  R *d_weight, *d_bias;  // d_bias may be null
  THAW_HOST_DEVICE void operator()(Index j) const {
    R weight = 0, bias = 0;
    for (Index c = 0; c < chunks; ++c) {
      weight += parts[c * columns + j];
      if (d_bias != nullptr) bias += parts[(chunks + c) * columns + j];
    }
    d_weight[j] = d_weight[j] + weight;
    if (d_bias != nullptr) d_bias[j] = d_bias[j] + bias;
  }
};

}  // namespace thaw::inline v0::grid
