// The loops of field_rows.hpp for one instruction set; empty for anyone else.
#if defined(THAW_KERNEL_NAMESPACE)

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

template <class Real>
THAW_KERNEL_TARGET inline void gather_fields(const FieldRowsShape& s, const std::int32_t* ids, const Real* table,
                                             const Real* linear, Real* to, Index stride, Real* z) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr Index kLanes = Lanes<Real>::kCount, kAhead = 32;
  const Index total = s.rows * s.fields;
  for (Index r = 0, e = 0; r < s.rows; ++r, to += stride) {
    Real* at = to;
    Real sum = 0;
    for (Index f = 0; f < s.fields; ++f, ++e, at += s.width) {
      if (e + kAhead < total && ids[e + kAhead] >= 0) {
        // The ids say which rows will be needed; they come from far away.
        __builtin_prefetch(table + ids[e + kAhead] * s.width);
        if (linear != nullptr) __builtin_prefetch(linear + ids[e + kAhead]);
      }
      const std::int32_t id = ids[e];
      const Real* from = table + id * s.width;
      for (Index j = 0; j < s.width; j += kLanes) {
        const Index count = s.width - j < kLanes ? s.width - j : kLanes;
        Vector v = {};
        if (id >= 0) load_part(v, from + j, count);
        store_part(at + j, v, count);
      }
      if (id >= 0 && linear != nullptr) sum += linear[id];
    }
    z[r] += sum;
  }
}

template <class Real>
THAW_KERNEL_TARGET inline void add_pairs(const FieldRowsShape& s, const Real* x, Real* z) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr Index kLanes = Lanes<Real>::kCount;
  for (Index r = 0; r < s.rows; ++r, x += s.fields * s.width) {
    Vector total = {};
    for (Index j = 0; j < s.width; j += kLanes) {
      const Index count = s.width - j < kLanes ? s.width - j : kLanes;
      Vector sum = {}, squares = {}, v;
      for (Index f = 0; f < s.fields; ++f) {
        load_part(v, x + f * s.width + j, count);
        sum += v;
        squares += v * v;
      }
      total += sum * sum - squares;
    }
    Real lanes[kLanes];
    store(lanes, total);
    for (Index step = kLanes / 2; step > 0; step /= 2)
      for (Index i = 0; i < step; ++i) lanes[i] += lanes[i + step];
    z[r] += lanes[0] / 2;
  }
}

template <class Real>
THAW_KERNEL_TARGET inline void pair_slopes(const FieldRowsShape& s, const Real* x, const Real* d_x, const Real* g,
                                           const FieldSlopes<Real>& to) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr Index kLanes = Lanes<Real>::kCount;
  for (Index r = 0; r < s.rows; ++r, x += s.fields * s.width, d_x += s.fields * s.width) {
    const Real slope = g == nullptr ? Real(0) : g[r];
    for (Index j = 0; j < s.width; j += kLanes) {
      const Index count = s.width - j < kLanes ? s.width - j : kLanes;
      Vector sum = {}, v, d;
      if (g != nullptr)
        for (Index f = 0; f < s.fields; ++f) {
          load_part(v, x + f * s.width + j, count);
          sum += v;
        }
      Real* out = to.first + r * to.first_stride;
      for (Index f = 0; f < s.fields; ++f) {
        load_part(d, d_x + f * s.width + j, count);
        if (g != nullptr) {
          load_part(v, x + f * s.width + j, count);
          d += slope * (sum - v);
        }
        store_part(out + j, d, count);
        out = to.rest + r * to.rest_stride + f * s.width;
      }
    }
  }
}

template <class Real>
THAW_KERNEL_TARGET inline void one_output_slopes(Index rows, Index width, const Real* g, const Real* y, const Real* w,
                                                 bool masked, Real* d, Real* sum) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr Index kLanes = Lanes<Real>::kCount;
  for (Index j = 0; j < width; j += kLanes) {
    const Index count = width - j < kLanes ? width - j : kLanes;
    Vector weight, total, v;
    load_part(weight, w + j, count);
    load_part(total, sum + j, count);
    const Vector zero = {};
    for (Index r = 0; r < rows; ++r) {
      load_part(v, y + r * width + j, count);
      total += g[r] * v;
      Vector slope = g[r] * weight;
      if (masked) {
        const auto positive = v > zero;
        slope = (Vector)((decltype(v > zero))slope & positive);
      }
      store_part(d + r * width + j, slope, count);
    }
    store_part(sum + j, total, count);
  }
}

template <class Real>
THAW_KERNEL_TARGET inline void add_rows(Index rows, Index width, const Real* x, Real* sum) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr Index kLanes = Lanes<Real>::kCount;
  for (Index j = 0; j < width; j += kLanes) {
    const Index count = width - j < kLanes ? width - j : kLanes;
    Vector total, v;
    load_part(total, sum + j, count);
    for (Index r = 0; r < rows; ++r) {
      load_part(v, x + r * width + j, count);
      total += v;
    }
    store_part(sum + j, total, count);
  }
}

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
