// Matrix products over plain pointers: C = A x B, C += A x B, with an optional row of biases, batched.
//
//   ProductShape shape = row_major_product(rows, columns, inner);
//   product(isa, shape, a, b, c, bias, scratch);                 // scratch: product_scratch_bytes<float>(shape)
//
// Any stride is allowed for A and B, so a transposed operand is the same call. Nothing is allocated, and a result
// depends on the instruction set and the number of threads, never on timing. Not a tensor operation: no shapes are
// checked here. Built for tall, skinny and small products; `eigen_product.hpp` adds large square ones.
#pragma once

#include "thaw/backend/kernels/lanes.hpp"
#include "thaw/backend/kernels/product_types.hpp"

#define THAW_KERNEL_FILE "thaw/backend/kernels/product_tiles.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"
#define THAW_KERNEL_FILE "thaw/backend/kernels/product_dots.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"

namespace thaw::inline v0 {

namespace detail {

// The workspace of one thread, rounded up to whole cache lines.
template <class Real>
std::size_t product_thread_bytes(const ProductShape& shape) {
  const Index depth = (std::min)(shape.inner, product_blocks::kInner);
  const Index width = (std::min)(shape.columns + product_blocks::kPadding, product_blocks::kColumns);
  const Index elements = depth * width + depth * product_blocks::kRowsOfTile;
  return (static_cast<std::size_t>(elements) * sizeof(Real) + kAlignment - 1) / kAlignment * kAlignment;
}

template <class Real>
Real* align_up(void* scratch) {
  const auto address = reinterpret_cast<std::uintptr_t>(scratch);
  return reinterpret_cast<Real*>((address + kAlignment - 1) / kAlignment * kAlignment);
}

// A batch that shares B and stores its rows one after another is a single tall product.
inline ProductShape collapse_batch(const ProductShape& shape) {
  ProductShape s = shape;
  if (s.batch > 1 && s.b_batch_stride == 0 && s.a_batch_stride == s.rows * s.a_row_stride &&
      s.c_batch_stride == s.rows * s.c_row_stride) {
    s.rows *= s.batch;
    s.batch = 1;
  }
  return s;
}

}  // namespace detail

// Bytes of scratch that `product` (threads = 1) and `product_threads` need for this shape.
template <class Real>
std::size_t product_scratch_bytes(const ProductShape& shape, int threads = 1) {
  const ProductShape s = detail::collapse_batch(shape);
  std::size_t bytes = detail::product_thread_bytes<Real>(s) * static_cast<std::size_t>(threads) + kAlignment;
  if (threads > 1) {
    if (detail::product_split(s, threads) == detail::ProductSplit::inner)
      bytes += static_cast<std::size_t>(threads * s.rows * s.columns) * sizeof(Real) + kAlignment;
  }
  return bytes;
}

namespace detail {

// Without a look at whether dot products would do.
template <class Real>
inline void product_packed(Isa isa, const ProductShape& s, const Real* a, const Real* b, Real* c, const Real* bias,
                           void* scratch) {
  Real* space = align_up<Real>(scratch);
#if THAW_X86_KERNELS
  if (isa == Isa::avx512) return avx512::product_serial(s, a, b, c, bias, space);
  if (isa == Isa::avx2) return avx2::product_serial(s, a, b, c, bias, space);
#endif
  (void)isa;
  portable::product_serial(s, a, b, c, bias, space);
}

template <class Real>
inline void product_dots(Isa isa, const ProductShape& s, const Real* a, const Real* b, Real* c, const Real* bias,
                         void* scratch) {
  Real* space = align_up<Real>(scratch);
#if THAW_X86_KERNELS
  if (isa == Isa::avx512) return avx512::product_dots(s, a, b, c, bias, space);
  if (isa == Isa::avx2) return avx2::product_dots(s, a, b, c, bias, space);
#endif
  (void)isa;
  portable::product_dots(s, a, b, c, bias, space);
}

}  // namespace detail

// C[b] (rows, columns) = A[b] (rows, inner) x B[b] (inner, columns), plus what `shape.accumulate` and `bias`
// (columns, may be null) ask for. `scratch` may be unaligned.
template <class Real>
inline void product(Isa isa, const ProductShape& shape, const Real* a, const Real* b, Real* c, const Real* bias,
                    void* scratch) {
  const ProductShape s = detail::collapse_batch(shape);
  if (detail::dots_fit(s)) return detail::product_dots(isa, s, a, b, c, bias, scratch);
  detail::product_packed(isa, s, a, b, c, bias, scratch);
}

namespace detail {

// Thread t of `threads` does its part; `partial` (threads, rows, columns) is used by the inner split only.
template <class Real>
void product_part(Isa isa, ProductSplit split, const ProductShape& s, const Real* a, const Real* b, Real* c,
                  const Real* bias, int t, int threads, Real* space, Real* partial) {
  ProductShape part = s;
  if (split == ProductSplit::batch) {
    const Index begin = s.batch * t / threads, end = s.batch * (t + 1) / threads;
    part.batch = end - begin;
    product_packed(isa, part, a + begin * s.a_batch_stride, b + begin * s.b_batch_stride, c + begin * s.c_batch_stride,
                   bias, space);
  } else if (split == ProductSplit::rows) {
    const Index begin = s.rows * t / threads, end = s.rows * (t + 1) / threads;
    part.rows = end - begin;
    product_packed(isa, part, a + begin * s.a_row_stride, b, c + begin * s.c_row_stride, bias, space);
  } else if (split == ProductSplit::columns) {
    const Index lines = (s.columns + 15) / 16;
    const Index begin = (std::min)(s.columns, lines * t / threads * 16);
    const Index end = (std::min)(s.columns, lines * (t + 1) / threads * 16);
    part.columns = end - begin;
    const Real *right = b + begin * s.b_column_stride, *extra = bias == nullptr ? nullptr : bias + begin;
    if (dots_fit(s))
      product_dots(isa, part, a, right, c + begin, extra, space);
    else
      product_packed(isa, part, a, right, c + begin, extra, space);
  } else {
    const Index begin = s.inner * t / threads, end = s.inner * (t + 1) / threads;
    part.inner = end - begin;
    part.c_row_stride = s.columns;
    part.accumulate = false;
    product_packed(isa, part, a + begin * s.a_inner_stride, b + begin * s.b_inner_stride,
                   partial + t * s.rows * s.columns, static_cast<const Real*>(nullptr), space);
  }
}

// Adds the partial sums of the inner split in the order of the threads.
template <class Real>
void product_join(const ProductShape& s, Real* c, const Real* bias, int threads, const Real* partial) {
  for (Index r = 0; r < s.rows; ++r) {
    Real* out = c + r * s.c_row_stride;
    for (Index j = 0; j < s.columns; ++j) {
      Real sum = s.accumulate ? out[j] : Real(0);
      for (int t = 0; t < threads; ++t) sum += partial[(t * s.rows + r) * s.columns + j];
      out[j] = bias == nullptr ? sum : sum + bias[j];
    }
  }
}

}  // namespace detail

// The same over `threads` threads. Serial when the work would not pay for a second one, or without OpenMP.
template <class Real>
void product_threads(Isa isa, const ProductShape& shape, const Real* a, const Real* b, Real* c, const Real* bias,
                     int threads, void* scratch) {
  const ProductShape s = detail::collapse_batch(shape);
  const detail::ProductSplit split = detail::product_split(s, threads);
  if (split == detail::ProductSplit::none) return product(isa, s, a, b, c, bias, scratch);
  const auto stride = detail::product_thread_bytes<Real>(s);
  char* spaces = reinterpret_cast<char*>(detail::align_up<Real>(scratch));
  Real* partial = reinterpret_cast<Real*>(spaces + static_cast<std::size_t>(threads) * stride);
#if defined(_OPENMP)
#pragma omp parallel for schedule(static, 1) num_threads(threads)
#endif
  for (int t = 0; t < threads; ++t)
    detail::product_part(isa, split, s, a, b, c, bias, t, threads,
                         reinterpret_cast<Real*>(spaces + static_cast<std::size_t>(t) * stride), partial);
  if (split == detail::ProductSplit::inner) detail::product_join(s, c, bias, threads, partial);
}

}  // namespace thaw::inline v0
