// Product layers of product-based networks (Qu et al., 2016): one number for each pair of fields.
//
//   auto p = thaw::inner_products(vectors);             // (rows, fields, 16) -> (rows, pairs): e_i . e_j
//   auto q = outer(vectors);                            // e_i^T W_ij e_j, a kernel for each pair
//
// Pairs are in the order (0, 1), (0, 2), ..., (1, 2), ...; there are fields (fields - 1) / 2 of them.
#pragma once

#include "thaw/nn/field_embedding.hpp"

namespace thaw::inline v0 {

inline Index pair_count(Index fields) { return fields * (fields - 1) / 2; }

namespace op {

// x (rows, n, n) -> (rows, n (n - 1) / 2): what is above the diagonal, row by row; and its transpose.
template <bool kForward>
struct UpperTriangle {
  static constexpr const char* name = kForward ? "upper_triangle" : "place_upper_triangle";
  struct Attr {
    Index n;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    const Shape square{in[0].shape[0], attr.n, attr.n}, flat{in[0].shape[0], pair_count(attr.n)};
    require(in[0].shape == (kForward ? square : flat), name, ": shape ", in[0].shape, " for ", attr.n, " fields");
    return kForward ? flat : square;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int count, bool) {
    auto& context = context_of(in, count, name);
    A out = A::make(context, shape(attr, in, count));
    if (!kForward) A::Backend::fill(context, out.size(), typename A::Real(0), out.data);
    const auto* from = in[0].data;
    auto* to = out.data;
    for (Index r = 0; r < out.shape[0]; ++r)
      for (Index i = 0; i < attr.n; ++i) {
        const Index inside = (r * attr.n + i) * attr.n + i + 1, left = attr.n - i - 1;
        if constexpr (kForward) {
          for (Index j = 0; j < left; ++j) to[j] = from[inside + j];
          to += left;
        } else {
          for (Index j = 0; j < left; ++j) to[inside + j] = from[j];
          from += left;
        }
      }
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T*, int, Adjoints<T>& d) {
    d.give(0, apply<UpperTriangle<!kForward>>({attr.n}, {g}));
  }
};

}  // namespace op

// e_i . e_j of all pairs: vectors (rows, fields, width) -> (rows, pairs).
template <Value T>
T inner_products(const T& vectors) {
  require(vectors.shape.rank == 3, "inner_products: shape ", vectors.shape, ", expected (rows, fields, width)");
  return apply<op::UpperTriangle<true>>({vectors.shape[1]}, {matmul(vectors, vectors, Transpose::second)});
}

template <Value T>
struct OuterProducts {
  T kernels;  // (pairs, width, width)

  // e_i^T W_ij e_j of all pairs: vectors (rows, fields, width) -> (rows, pairs).
  T operator()(const T& vectors) const {
    const Index rows = vectors.shape[0], fields = vectors.shape[1], width = vectors.shape[2];
    const Index pairs = kernels.shape[0];
    require(pairs == pair_count(fields) && width == kernels.shape[1], "OuterProducts: vectors of shape ", vectors.shape,
            " for kernels ", kernels.shape);
    const T by_field = reshape(permute(vectors, {1, 0, 2}), {fields, rows * width});
    const T left = reshape(gather(by_field, members(fields, true)), {pairs, rows, width});
    const T right = reshape(gather(by_field, members(fields, false)), {pairs, rows, width});
    return reshape(permute(sum_to(mul(matmul(left, kernels), right), {pairs, rows, 1}), {1, 0, 2}), {rows, pairs});
  }
  static void each(auto&& visit, auto&... m) { visit("kernels", m.kernels...); }

 private:
  // The first, or the second, field of each pair.
  Bags members(Index fields, bool first) const {
    if constexpr (std::is_same_v<T, Spec>) {
      return {nullptr, nullptr, pair_count(fields), false};
    } else {
      auto* ids = kernels.context->arena->template take<std::int32_t>(pair_count(fields));
      Index at = 0;
      for (Index i = 0; i < fields; ++i)
        for (Index j = i + 1; j < fields; ++j) ids[at++] = static_cast<std::int32_t>(first ? i : j);
      return {ids, nullptr, at, false};
    }
  }
};

// Start: uniform with the limit of Glorot and Bengio (2010).
inline OuterProducts<Spec> outer_products_spec(Index fields, Index width) {
  const double limit = __builtin_sqrt(3.0 / static_cast<double>(width));
  return {Spec{{pair_count(fields), width, width}, {Init::Kind::uniform, limit}}};
}

}  // namespace thaw::inline v0
