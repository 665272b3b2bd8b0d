// Kernels of attention over a ragged batch: all heads of all segments in one launch a step, not one launch each.
//
//   scores   W = scale Q K^T + bias by distance          TiledProduct<R, SegmentPlaces<R, SegmentProduct::scores>>
//   softmax  of each row, masked where causal, dropped    SegmentSoftmax<R, T>
//   mix      Y = W V                                      TiledProduct<R, SegmentPlaces<R, SegmentProduct::mix>>
//
// and the same backwards. The weights of head h of segment s lie at h * head_weights + weights[s], row by row.
#pragma once

#include "thaw/backend/cuda/product.hpp"
#include "thaw/backend/cuda/softmax.hpp"
#include "thaw/core/arena.hpp"
#include "thaw/core/random.hpp"

namespace thaw::inline v0::grid {

enum class SegmentProduct { scores, mix, mix_back };

// A tile of a product of one segment; every head has it.
struct SegmentTile {
  std::int32_t segment, top, left;
};

// What kernels know of the segments; the pointers are the device's.
struct SegmentTables {
  const std::int32_t *queries, *keys;  // (segments + 1)
  const Index* weights;                // (segments)
  const std::int32_t* segment_of;      // (query rows)
  Index query_rows = 0, head_weights = 0;
  Index heads = 1, width = 0, segments = 0;  // width: of a row, all heads

  THAW_HOST_DEVICE Index head_width() const { return quotient(width, heads); }
};

// Tiles of all products of one kind; counts them when `out` is null.
inline Index cut_segments(SegmentProduct kind, const std::int32_t* queries, const std::int32_t* keys, Index segments,
                          Index head_width, SegmentTile* out) {
  Index count = 0;
  for (Index s = 0; s < segments; ++s) {
    const Index q = queries[s + 1] - queries[s], k = keys[s + 1] - keys[s];
    const Index rows = kind == SegmentProduct::mix_back ? k : q,
                columns = kind == SegmentProduct::scores ? k : head_width;
    for (Index top = 0; top < rows; top += kTile)
      for (Index left = 0; left < columns; left += kTile, ++count)
        if (out != nullptr)
          out[count] = {static_cast<std::int32_t>(s), static_cast<std::int32_t>(top), static_cast<std::int32_t>(left)};
  }
  return count;
}

// Where the tiles of a product lie. `a`, `b` and `c` are whole arrays: queries, keys or values, weights.
template <class R, SegmentProduct kKind>
struct SegmentPlaces {
  SegmentTables tables;
  const SegmentTile* tiles;
  const R *a, *b;
  R* c;
  R alpha;
  const R* bias;  // of distance zero of head 0, or null
  Index distances;

  THAW_HOST_DEVICE ProductPlace<R> place(Index block) const {
    const Index tile = quotient(block, tables.heads), h = block - tile * tables.heads;
    const SegmentTile at_tile = tiles[tile];
    const Index s = at_tile.segment, query = tables.queries[s], key = tables.keys[s];
    const Index q = tables.queries[s + 1] - query, k = tables.keys[s + 1] - key;
    const Index head = tables.head_width(), from_query = query * tables.width + h * head;
    const Index from_key = key * tables.width + h * head, from_weight = h * tables.head_weights + tables.weights[s];
    ProductPlace<R> at;
    at.top = at_tile.top, at.left = at_tile.left;
    at.alpha = alpha;
    at.b_inner = tables.width, at.b_column = 1, at.c_row = tables.width;
    if constexpr (kKind == SegmentProduct::scores) {
      at.a = a + from_query, at.b = b + from_key, at.c = c + from_weight;
      at.rows = q, at.columns = k, at.inner = head;
      at.a_row = tables.width, at.a_inner = 1;
      at.b_inner = 1, at.b_column = tables.width;
      at.c_row = k;
      at.bias = bias == nullptr ? nullptr : bias + h * distances;
      at.bias_row = -1;
    } else if constexpr (kKind == SegmentProduct::mix) {
      at.a = a + from_weight, at.b = b + from_key, at.c = c + from_query;
      at.rows = q, at.columns = head, at.inner = k;
      at.a_row = k, at.a_inner = 1;
    } else {
      at.a = a + from_weight, at.b = b + from_query, at.c = c + from_key;
      at.rows = k, at.columns = head, at.inner = q;
      at.a_row = 1, at.a_inner = k;
    }
    return at;
  }
};

// One row of weights of one head: where it lies, and how it is dropped.
template <int T>
struct SegmentRow {
  Index head, segment, columns, start, row;
  bool inside;
  int lane;
  THAW_HOST_DEVICE SegmentRow(const SegmentTables& tables, GridThread t) : inside(false) {
    const RowOfTeam<T> team(t);
    lane = team.lane;
    head = segment = columns = start = row = 0;
    if (team.row >= tables.query_rows * tables.heads) return;
    inside = true;
    head = quotient(team.row, tables.query_rows);
    const Index query = team.row - head * tables.query_rows;
    segment = tables.segment_of[query];
    row = query - tables.queries[segment];
    columns = tables.keys[segment + 1] - tables.keys[segment];
    start = head * tables.head_weights + tables.weights[segment] + row * columns;
  }
  // y = x dropped by the rule of this head and segment; lanes take eight neighbours at a time.
  template <class R>
  THAW_HOST_DEVICE void drop(DropoutRule rule, Index heads, const R* x, R* y) const {
    rule.key = rule.key.fold(static_cast<std::uint64_t>(segment * heads + head));
    const R scale = static_cast<R>(rule.scale());
    for (Index begin = lane * 8; inside && begin < columns; begin += T * 8) {
      const Words4 words = rule.words(static_cast<std::uint64_t>(row), static_cast<std::uint64_t>(begin),
                                      static_cast<std::uint64_t>(columns));
      for (Index j = begin; j < begin + 8 && j < columns; ++j)
        y[start + j] = rule.keeps(words, static_cast<std::uint64_t>(j)) ? x[start + j] * scale : R(0);
    }
  }
};

// Softmax of each row in place; with an active rule also its dropped copy in `used`.
template <class R, int T>
struct SegmentSoftmax {
  using Shared = TwoFolds<R>;
  using State = Nothing;
  SegmentTables tables;
  bool causal;
  DropoutRule rule;
  R *weights, *used;

  THAW_HOST_DEVICE int phases(Index) const { return rule.active() ? 6 : 5; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    const SegmentRow<T> at(tables, t);
    const Index seen = causal && at.row + 1 < at.columns ? at.row + 1 : at.columns;
    R* const row = weights + at.start;
    if (p == 0) {
      R most = -static_cast<R>(thaw::detail::kInfinity);
      for (Index j = at.lane; j < seen; j += T) most = Larger::value(most, row[j]);
      shared.first.part[t.thread] = most;
    } else if (p == 1) {
      shared.first.template halve<T, Larger>(t.thread);
    } else if (p == 2) {
      const R most = shared.first.template result<T, Larger>(t.thread);
      R sum = 0;
      for (Index j = at.lane; j < seen; j += T) sum += (row[j] = Exp::value(row[j] - most));
      shared.second.part[t.thread] = sum;
    } else if (p == 3) {
      shared.second.template halve<T, Plus>(t.thread);
    } else if (p == 4) {
      const R inverse = R(1) / shared.second.template result<T, Plus>(t.thread);
      for (Index j = at.lane; j < at.columns; j += T) row[j] = j < seen ? row[j] * inverse : R(0);
    } else {
      at.drop(rule, tables.heads, weights, used);
    }
  }
};

// The dropped copy of weights that were kept.
template <class R, int T>
struct SegmentDrop {
  using Shared = Nothing;
  using State = Nothing;
  SegmentTables tables;
  DropoutRule rule;
  const R* kept;
  R* used;

  THAW_HOST_DEVICE int phases(Index) const { return 1; }
  THAW_HOST_DEVICE void phase(int, GridThread t, Shared&, State&) const {
    SegmentRow<T>(tables, t).drop(rule, tables.heads, kept, used);
  }
};

// slope = kept (d - sum(d kept)), d = slope dropped; in place.
template <class R, int T>
struct SegmentSoftmaxBackward {
  struct Shared {
    TeamFold<R> fold;
  };
  using State = Nothing;
  SegmentTables tables;
  DropoutRule rule;
  const R* kept;
  R* slope;

  THAW_HOST_DEVICE int phases(Index) const { return 4; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    const SegmentRow<T> at(tables, t);
    if (p == 0) {
      if (rule.active()) at.drop(rule, tables.heads, slope, slope);
    } else if (p == 1) {
      R dot = 0;
      for (Index j = at.lane; j < at.columns; j += T) dot += slope[at.start + j] * kept[at.start + j];
      shared.fold.part[t.thread] = dot;
    } else if (p == 2) {
      shared.fold.template halve<T, Plus>(t.thread);
    } else {
      const R dot = shared.fold.template result<T, Plus>(t.thread);
      for (Index j = at.lane; j < at.columns; j += T)
        slope[at.start + j] = kept[at.start + j] * (slope[at.start + j] - dot);
    }
  }
};

// d_bias[h, distance] = the sum of the slopes at that distance, segment by segment.
template <class R>
struct SegmentBiasSlope {
  SegmentTables tables;
  Index distances, before;
  const R* slope;
  R* d_bias;
  THAW_HOST_DEVICE void operator()(Index i) const {
    const Index h = quotient(i, distances), apart = i - h * distances - before;  // key minus query
    R sum = 0;
    for (Index s = 0; s < tables.segments; ++s) {
      const Index q = tables.queries[s + 1] - tables.queries[s], k = tables.keys[s + 1] - tables.keys[s];
      const R* const from = slope + h * tables.head_weights + tables.weights[s];
      const Index first = apart < 0 ? -apart : 0, last = q < k - apart ? q : k - apart;
      for (Index a = first; a < last; ++a) sum += from[a * k + a + apart];
    }
    d_bias[i] = sum;
  }
};

}  // namespace thaw::inline v0::grid
