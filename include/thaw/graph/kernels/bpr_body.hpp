// Slopes and gradients of a batch of BPR triples, for one instruction set. Included by lightgcn.hpp; empty otherwise.
#if defined(THAW_KERNEL_NAMESPACE)

#include "thaw/backend/kernels/vector_math_rows.hpp"
#include "thaw/graph/kernels/bpr_types.hpp"

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

// difference[t] = <user, other> - <user, liked>
THAW_KERNEL_TARGET inline void bpr_differences(const BprBatch& b, Index begin, Index end, float* difference) {
  for (Index t = begin; t < end; ++t) {
    const float* const user = b.rows + b.slots[3 * t] * b.stride;
    difference[t] = dot(b.stride, user, b.rows + b.slots[3 * t + 2] * b.stride) -
                    dot(b.stride, user, b.rows + b.slots[3 * t + 1] * b.stride);
  }
}

// Columns begin .. end of the gradient: user += slope (other - liked), liked -= slope user, other += slope user.
THAW_KERNEL_TARGET THAW_VECTORIZED inline void bpr_gradients(const BprBatch& b, Index begin, Index end,
                                                             const float* slope, float* gradient) {
  for (Index t = 0; t < b.triples; ++t) {
    const Index u = b.slots[3 * t] * b.stride, l = b.slots[3 * t + 1] * b.stride, o = b.slots[3 * t + 2] * b.stride;
    const float* const rows = b.rows;
    const float g = slope[t];
    THAW_VECTOR_LOOP
    for (Index j = begin; j < end; ++j) {
      const float user = g * rows[u + j];
      gradient[u + j] += g * (rows[o + j] - rows[l + j]);
      gradient[l + j] -= user;
      gradient[o + j] += user;
    }
  }
}

// y += scale * x, without a call a row.
THAW_KERNEL_TARGET THAW_VECTORIZED inline void add_row_to_rows(const std::int32_t* ids, Index count, Index width,
                                                               float scale, const float* factor, const float* x,
                                                               float* table) {
  for (Index i = 0; i < count; ++i) {
    if (i + 8 < count) __builtin_prefetch(table + ids[i + 8] * width, 1);
    float* const y = table + ids[i] * width;
    const float f = scale * factor[ids[i]];
    THAW_VECTOR_LOOP
    for (Index j = 0; j < width; ++j) y[j] += f * x[j];
  }
}

// y row r = factor[r] * x row r
THAW_KERNEL_TARGET THAW_VECTORIZED inline void scale_rows(Index rows, Index width, const float* factor, const float* x,
                                                          float* y) {
  for (Index r = 0; r < rows; ++r, x += width, y += width) {
    const float f = factor[r];
    THAW_VECTOR_LOOP
    for (Index j = 0; j < width; ++j) y[j] = f * x[j];
  }
}

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
