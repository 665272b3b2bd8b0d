// The product kernels of one instruction set. Included by product.hpp for each set; empty otherwise.
#if defined(THAW_KERNEL_NAMESPACE)

#include <utility>

#include "thaw/backend/kernels/lanes.hpp"
#include "thaw/backend/kernels/product_types.hpp"

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

#define THAW_KERNEL THAW_KERNEL_TARGET inline
#define THAW_KERNEL_INLINE THAW_KERNEL_TARGET THAW_ALWAYS_INLINE

inline constexpr int kTileRows = THAW_KERNEL_ROWS;

// The last register of a row of B inside a tile: masked where masks are free, else packing has filled it up.
template <class Vector, class Real>
THAW_KERNEL_INLINE void load_last(Vector& v, const Real* from, [[maybe_unused]] Index count) {
#if THAW_KERNEL_BYTES == 64
  load_part(v, from, count);
#else
  load(v, from);
#endif
}

// One tile: `kRows` rows by `kVectors` registers of C stay in registers over the whole inner size.
// Rows of A are reached from every third row's pointer, which leaves enough address registers for 12 rows.
template <class Real, int kRows, int kVectors>
THAW_KERNEL void tile(const TileJob& job, const Real* a, const Real* b, Real* c, const Real* bias) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr int kLanes = Lanes<Real>::kCount;
  constexpr int kGroups = (kRows + 2) / 3;
  Vector sum[kRows][kVectors] = {};
  const Index a_row = job.a_row, a_inner = job.a_inner, b_inner = job.b_inner, last = job.last;
  const Real* group[kGroups];
  THAW_UNROLL
  for (int g = 0; g < kGroups; ++g) group[g] = a + 3 * g * a_row;
  if (job.inner >= 64) {  // C is needed last and fetched first
    THAW_UNROLL
    for (int r = 0; r < kRows; ++r) {
      THAW_UNROLL
      for (int j = 0; j < kVectors; ++j) __builtin_prefetch(c + r * job.c_row + j * kLanes, 1, 3);
    }
  }
  for (Index k = job.inner; k > 0; --k) {
    Vector right[kVectors];
    THAW_UNROLL
    for (int j = 0; j + 1 < kVectors; ++j) load(right[j], b + j * kLanes);
    load_last(right[kVectors - 1], b + (kVectors - 1) * kLanes, last);
    THAW_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const Real left = group[r / 3][r % 3 * a_row];
      THAW_UNROLL
      for (int j = 0; j < kVectors; ++j) sum[r][j] += left * right[j];
    }
    b += b_inner;
    THAW_UNROLL
    for (int g = 0; g < kGroups; ++g) group[g] += a_inner;
  }
  Vector extra[kVectors] = {};
  if (bias != nullptr) {
    THAW_UNROLL
    for (int j = 0; j < kVectors; ++j) load_part(extra[j], bias + j * kLanes, j + 1 < kVectors ? kLanes : last);
  }
  THAW_UNROLL
  for (int r = 0; r < kRows; ++r) {
    Real* row = c + r * job.c_row;
    THAW_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      const Index count = j + 1 < kVectors ? kLanes : last;
      Vector out = sum[r][j] + extra[j], old;
      if (job.add_to_c) {
        load_part(old, row + j * kLanes, count);
        out += old;
      }
      store_part(row + j * kLanes, out, count);
    }
  }
}

template <class Real>
using TileFunction = void (*)(const TileJob&, const Real*, const Real*, Real*, const Real*);

// tiles[rows - 1][registers - 1]
template <class Real>
struct TileTable {
  TileFunction<Real> tiles[kTileRows][2];
  template <int... kRow>
  static constexpr TileTable make(std::integer_sequence<int, kRow...>) {
    return {{{&tile<Real, kRow + 1, 1>, &tile<Real, kRow + 1, 2>}...}};
  }
};
template <class Real>
inline constexpr TileTable<Real> kTiles = TileTable<Real>::make(std::make_integer_sequence<int, kTileRows>{});

// ---- one row ----------------------------------------------------------------------------------------------------

// c (1, kVectors registers) for contiguous columns of B. kSplit sums over interleaved parts hide the latency.
template <class Real, int kVectors, int kSplit, bool kPart = false>
THAW_KERNEL void row_tile(const TileJob& job, const Real* a, const Real* b, Real* c, const Real* bias) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr int kLanes = Lanes<Real>::kCount;
  Vector sum[kSplit][kVectors] = {};
  Index k = 0;
  for (; k + kSplit <= job.inner; k += kSplit) {
    THAW_UNROLL
    for (int s = 0; s < kSplit; ++s) {
      const Real left = a[(k + s) * job.a_inner];
      const Real* from = b + (k + s) * job.b_inner;
      THAW_UNROLL
      for (int j = 0; j < kVectors; ++j) {
        Vector right;
        load_part(right, from + j * kLanes, kPart ? job.last : kLanes);
        sum[s][j] += left * right;
      }
    }
  }
  for (; k < job.inner; ++k) {
    THAW_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      Vector right;
      load_part(right, b + k * job.b_inner + j * kLanes, kPart ? job.last : kLanes);
      sum[0][j] += a[k * job.a_inner] * right;
    }
  }
  THAW_UNROLL
  for (int j = 0; j < kVectors; ++j) {
    const Index count = kPart ? job.last : kLanes;
    Vector out = sum[0][j], old;
    THAW_UNROLL
    for (int s = 1; s < kSplit; ++s) out += sum[s][j];
    if (bias != nullptr) {
      load_part(old, bias + j * kLanes, count);
      out += old;
    }
    if (job.add_to_c) {
      load_part(old, c + j * kLanes, count);
      out += old;
    }
    store_part(c + j * kLanes, out, count);
  }
}

template <class Real>
THAW_KERNEL void row_times_matrix(const ProductShape& s, const Real* a, const Real* b, Real* c, const Real* bias) {
  constexpr Index kLanes = Lanes<Real>::kCount;
  TileJob job{s.inner, 0, s.a_inner_stride, s.b_inner_stride, 0, kLanes, s.accumulate};
  for (Index n = 0; n < s.columns;) {
    const Index left = s.columns - n, vectors = left / kLanes;
    const Real* extra = bias == nullptr ? nullptr : bias + n;
    const Index taken = vectors >= 8 ? 8 : vectors >= 4 ? 4 : vectors >= 2 ? 2 : 1;
    if (taken == 8)
      row_tile<Real, 8, 1>(job, a, b + n, c + n, extra);
    else if (taken == 4)
      row_tile<Real, 4, 2>(job, a, b + n, c + n, extra);
    else if (taken == 2)
      row_tile<Real, 2, 4>(job, a, b + n, c + n, extra);
    else if (vectors == 1)
      row_tile<Real, 1, 8>(job, a, b + n, c + n, extra);
    else
      job.last = left, row_tile<Real, 1, 4, true>(job, a, b + n, c + n, extra);
    n += taken * kLanes;
  }
}

// One level of the tree that turns kLanes registers of partial sums into one register of sums: lanes whose bit
// `kBit` is clear keep the sums of x, the others those of y.
template <class Vector, int kBit, int... kLane>
THAW_KERNEL_INLINE void merge_sums(Vector& x, const Vector& y, std::integer_sequence<int, kLane...>) {
  constexpr int kCount = static_cast<int>(sizeof...(kLane));
  const Vector low = __builtin_shufflevector(x, y, ((kLane & kBit) == 0 ? kLane : kCount + (kLane ^ kBit))...);
  const Vector high = __builtin_shufflevector(x, y, ((kLane & kBit) == 0 ? (kLane | kBit) : kCount + kLane)...);
  x = low + high;
}

template <class Vector, int kCount, int kBit>
THAW_KERNEL_INLINE void merge_all(Vector (&sums)[kCount]) {
  if constexpr (kBit < kCount) {
    THAW_UNROLL
    for (int i = 0; i < kCount; i += 2 * kBit)
      merge_sums<Vector, kBit>(sums[i], sums[i + kBit], std::make_integer_sequence<int, kCount>{});
    merge_all<Vector, kCount, 2 * kBit>(sums);
  }
}

// c[j] = dot(a, column j of B) for up to one register of columns; a and the columns are contiguous over `inner`.
template <class Real>
THAW_KERNEL void dot_tile(Index inner, const Real* a, const Real* b, Index b_column, Index columns,
                          typename Lanes<Real>::Vector& out) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr int kLanes = Lanes<Real>::kCount;
  Vector sums[kLanes] = {};
  const Index whole = inner / kLanes * kLanes, rest = inner - whole;
  if (columns == kLanes) {
    for (Index k = 0; k < whole; k += kLanes) {
      Vector left, right;
      load(left, a + k);
      THAW_UNROLL
      for (int j = 0; j < kLanes; ++j) {
        load(right, b + j * b_column + k);
        sums[j] += left * right;
      }
    }
    if (rest > 0) {
      Vector left, right;
      load_part(left, a + whole, rest);
      THAW_UNROLL
      for (int j = 0; j < kLanes; ++j) {
        load_part(right, b + j * b_column + whole, rest);
        sums[j] += left * right;
      }
    }
    merge_all<Vector, kLanes, 1>(sums);
    out = sums[0];
    return;
  }
  Real single[kLanes] = {};
  for (Index j = 0; j < columns; ++j) {
    Vector part[4] = {}, left, right;
    Index k = 0;
    for (; k + 4 * kLanes <= inner; k += 4 * kLanes) {
      THAW_UNROLL
      for (int i = 0; i < 4; ++i) {
        load(left, a + k + i * kLanes);
        load(right, b + j * b_column + k + i * kLanes);
        part[i] += left * right;
      }
    }
    for (; k < inner; k += kLanes) {
      const Index count = (std::min)(static_cast<Index>(kLanes), inner - k);
      load_part(left, a + k, count);
      load_part(right, b + j * b_column + k, count);
      part[0] += left * right;
    }
    part[0] = (part[0] + part[1]) + (part[2] + part[3]);
    Real lanes[kLanes];
    store(lanes, part[0]);
    for (int step = kLanes / 2; step > 0; step /= 2)
      for (int i = 0; i < step; ++i) lanes[i] += lanes[i + step];
    single[j] = lanes[0];
  }
  load(out, single);
}

// One row times a matrix stored column by column. The result has stride `c_step`, and `bias` stride `bias_step`.
template <class Real>
THAW_KERNEL void row_times_columns(const ProductShape& s, const Real* a, const Real* b, Real* c, Index c_step,
                                   const Real* bias, Index bias_step) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr Index kLanes = Lanes<Real>::kCount;
  for (Index n = 0; n < s.columns; n += kLanes) {
    const Index count = (std::min)(kLanes, s.columns - n);
    Vector sums;
    dot_tile(s.inner, a, b + n * s.b_column_stride, s.b_column_stride, count, sums);
    if (c_step == 1 && bias == nullptr && !s.accumulate) {
      store_part(c + n, sums, count);
      continue;
    }
    Real values[kLanes];
    store(values, sums);
    for (Index j = 0; j < count; ++j) {
      Real* to = c + (n + j) * c_step;
      const Real value = bias == nullptr ? values[j] : values[j] + bias[(n + j) * bias_step];
      *to = s.accumulate ? *to + value : value;
    }
  }
}

// Products with one row or one column that need no packing. False if the strides do not allow it.
template <class Real>
THAW_KERNEL bool vector_product(const ProductShape& s, const Real* a, const Real* b, Real* c, const Real* bias) {
  if (s.rows == 1) {
    if (s.b_column_stride == 1) return row_times_matrix(s, a, b, c, bias), true;
    if (s.b_inner_stride == 1 && s.a_inner_stride == 1) return row_times_columns(s, a, b, c, 1, bias, 1), true;
    return false;
  }
  if (s.columns == 1) {
    ProductShape t = s;  // the transposed product: C^T (1, rows) = B^T x A^T
    t.rows = 1;
    t.columns = s.rows;
    t.a_inner_stride = s.b_inner_stride;
    t.b_inner_stride = s.a_inner_stride;
    t.b_column_stride = s.a_row_stride;
    if (t.b_column_stride == 1 && s.c_row_stride == 1 && bias == nullptr)
      return row_times_matrix(t, b, a, c, bias), true;
    if (t.b_inner_stride == 1 && t.a_inner_stride == 1)
      return row_times_columns(t, b, a, c, s.c_row_stride, bias, 0), true;
  }
  return false;
}

// ---- packing ----------------------------------------------------------------------------------------------------

// One level of a transposition in registers: swaps the lanes of x whose bit `kBit` is set with those of y where it is
// clear.
template <class Vector, int kBit, int... kLane>
THAW_KERNEL_INLINE void swap_lanes(Vector& x, Vector& y, std::integer_sequence<int, kLane...>) {
  constexpr int kCount = static_cast<int>(sizeof...(kLane));
  const Vector low = __builtin_shufflevector(x, y, ((kLane & kBit) == 0 ? kLane : kCount + (kLane ^ kBit))...);
  y = __builtin_shufflevector(x, y, ((kLane & kBit) == 0 ? (kLane | kBit) : kCount + kLane)...);
  x = low;
}

template <class Vector, int kCount, int kBit>
THAW_KERNEL_INLINE void transpose(Vector (&block)[kCount]) {
  if constexpr (kBit < kCount) {
    THAW_UNROLL
    for (int i = 0; i < kCount; ++i)
      if ((i & kBit) == 0)
        swap_lanes<Vector, kBit>(block[i], block[i + kBit], std::make_integer_sequence<int, kCount>{});
    transpose<Vector, kCount, 2 * kBit>(block);
  }
}

// `width` (at most one register) lines of `depth` contiguous elements, `line` apart, become `depth` rows of `width`
// elements and zeros, `row` apart.
template <class Real>
THAW_KERNEL void pack_lines(const Real* from, Index line, Index width, Index depth, Real* to, Index row) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr int kLanes = Lanes<Real>::kCount;
  for (Index k = 0; k < depth; k += kLanes) {
    const Index count = (std::min)(static_cast<Index>(kLanes), depth - k);
    Vector block[kLanes] = {};
    if (width == kLanes && count == kLanes) {
      THAW_UNROLL
      for (int j = 0; j < kLanes; ++j) {
        load(block[j], from + j * line + k);
        // The next lines: short runs far apart, which no hardware foresees. Past the end it does nothing.
        __builtin_prefetch(from + (j + kLanes) * line + k, 0, 2);
      }
    } else {
      THAW_UNROLL
      for (int j = 0; j < kLanes; ++j)
        if (j < width) load_part(block[j], from + j * line + k, count);
    }
    transpose<Vector, kLanes, 1>(block);
    THAW_UNROLL
    for (int i = 0; i < kLanes; ++i)
      if (i < count) store(to + (k + i) * row, block[i]);
  }
}

// The same for elements that are nowhere contiguous.
template <class Real>
THAW_KERNEL void pack_scattered(const Real* from, Index line, Index step, Index width, Index depth, Real* to,
                                Index row) {
  for (Index k = 0; k < depth; ++k)
    for (Index j = 0; j < Lanes<Real>::kCount; ++j) to[k * row + j] = j < width ? from[j * line + k * step] : Real(0);
}

// (depth, width) of B into rows of `padded` columns; zeros behind the last column.
template <class Real>
THAW_KERNEL void pack_panel(const ProductShape& s, const Real* b, Index depth, Index width, Index padded, Real* to) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr Index kLanes = Lanes<Real>::kCount;
  const Index row = s.b_inner_stride, column = s.b_column_stride;
  for (Index j = 0; j < padded; j += kLanes) {
    const Index count = (std::min)(kLanes, width - j);
    if (column == 1) {
      for (Index k = 0; k < depth; ++k) {
        Vector v;
        load_part(v, b + k * row + j, count);
        store(to + k * padded + j, v);
      }
    } else if (row == 1) {
      pack_lines(b + j * column, column, count, depth, to + j, padded);
    } else {
      pack_scattered(b + j * column, column, row, count, depth, to + j, padded);
    }
  }
}

inline constexpr Index kPackedRows = 16;  // between rows of a packed tile of A

// (rows, depth) of A into (depth, kPackedRows).
template <class Real>
THAW_KERNEL void pack_rows(const ProductShape& s, const Real* a, Index rows, Index depth, Real* to) {
  constexpr Index kLanes = Lanes<Real>::kCount;
  const Index line = s.a_row_stride, step = s.a_inner_stride;
  for (Index r = 0; r < rows; r += kLanes) {
    const Index count = (std::min)(kLanes, rows - r);
    if (step == 1) {
      pack_lines(a + r * line, line, count, depth, to + r, kPackedRows);
    } else if (line == 1) {
      for (Index k = 0; k < depth; ++k) {
        typename Lanes<Real>::Vector v;
        load_part(v, a + r + k * step, count);
        store(to + r + k * kPackedRows, v);
      }
    } else {
      pack_scattered(a + r * line, line, step, count, depth, to + r, kPackedRows);
    }
  }
}

// ---- the loops around the tiles ---------------------------------------------------------------------------------

struct Plan {
  bool pack_b, pack_a;
};

template <class Real>
THAW_KERNEL Plan make_plan(const ProductShape& s) {
  constexpr Index kLanes = Lanes<Real>::kCount;
  const bool slow_tail = THAW_KERNEL_BYTES != 64 && s.columns % kLanes != 0;
  const bool wide = s.columns >= 4 * kLanes;
  // Lines of A a multiple of 2 KiB apart would share a few sets of the first-level cache.
  const auto collide = [](Index stride) { return stride * static_cast<Index>(sizeof(Real)) % 2048 == 0; };
  Plan plan;
  plan.pack_b = s.b_column_stride != 1 || s.rows > 64 || (slow_tail && s.rows > 1);
  if (s.a_row_stride == 1)
    plan.pack_a = wide && collide(s.a_inner_stride);
  else
    plan.pack_a = s.columns > 2 * kLanes && (s.a_inner_stride != 1 || (wide && collide(s.a_row_stride)));
  return plan;
}

// C (rows, columns) for the block of B (depth, width) at (k, n).
template <class Real>
THAW_KERNEL void product_block(const ProductShape& s, const Plan& plan, const Real* a, const Real* b, Real* c,
                               const Real* bias, Index depth, Index width, bool add_to_c, Real* packed_b,
                               Real* packed_a) {
  constexpr Index kLanes = Lanes<Real>::kCount, kPanel = 2 * kLanes;
  if (plan.pack_b)
    for (Index n = 0; n < width; n += kPanel) {
      const Index taken = (std::min)(kPanel, width - n);
      pack_panel(s, b + n * s.b_column_stride, depth, taken, taken > kLanes ? kPanel : kLanes, packed_b + n * depth);
    }
  TileJob job{depth, s.a_row_stride, s.a_inner_stride, s.b_inner_stride, s.c_row_stride, kLanes, add_to_c};
  Index tiles = (s.rows + kTileRows - 1) / kTileRows;
  for (Index m = 0; m < s.rows; --tiles) {
    const Index height = (s.rows - m + tiles - 1) / tiles;
    const Real* left = a + m * s.a_row_stride;
    if (plan.pack_a) {
      pack_rows(s, left, height, depth, packed_a);
      left = packed_a;
      job.a_row = 1;
      job.a_inner = kPackedRows;
    }
    for (Index n = 0; n < width; n += kPanel) {
      const Index taken = (std::min)(kPanel, width - n);
      const bool two = taken > kLanes;
      if (plan.pack_b) job.b_inner = two ? kPanel : kLanes;
      job.last = two ? taken - kLanes : taken;
      kTiles<Real>.tiles[height - 1][two ? 1 : 0](job, left, plan.pack_b ? packed_b + n * depth : b + n,
                                                  c + m * s.c_row_stride + n, bias == nullptr ? nullptr : bias + n);
    }
    m += height;
  }
}

template <class Real>
__attribute__((noinline)) THAW_KERNEL void product_serial(const ProductShape& s, const Real* a, const Real* b, Real* c,
                                                          const Real* bias, Real* scratch) {
  if (s.rows <= 0 || s.columns <= 0) return;
  if (s.rows == 1 || s.columns == 1) {
    Index i = 0;
    while (i < s.batch &&
           vector_product(s, a + i * s.a_batch_stride, b + i * s.b_batch_stride, c + i * s.c_batch_stride, bias))
      ++i;
    if (i == s.batch) return;
  }
  const Plan plan = make_plan<Real>(s);
  const Index deepest = (std::min)(s.inner, product_blocks::kInner);
  const Index widest = (std::min)(s.columns + product_blocks::kPadding, product_blocks::kColumns);
  Real* packed_a = scratch + deepest * widest;
  for (Index i = 0; i < s.batch; ++i) {
    const Real* left = a + i * s.a_batch_stride;
    const Real* right = b + i * s.b_batch_stride;
    Real* out = c + i * s.c_batch_stride;
    Index k = 0;
    do {
      const Index depth = (std::min)(product_blocks::kInner, s.inner - k);
      const bool is_last = k + depth == s.inner;
      for (Index n = 0; n < s.columns; n += product_blocks::kColumns) {
        const Index width = (std::min)(product_blocks::kColumns, s.columns - n);
        product_block(s, plan, left + k * s.a_inner_stride, right + k * s.b_inner_stride + n * s.b_column_stride,
                      out + n, bias != nullptr && is_last ? bias + n : nullptr, depth, width, s.accumulate || k > 0,
                      scratch, packed_a);
      }
      k += depth;
    } while (k < s.inner);
  }
}

#undef THAW_KERNEL
#undef THAW_KERNEL_INLINE

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0

#endif
