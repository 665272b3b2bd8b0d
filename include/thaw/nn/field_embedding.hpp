// Field embeddings: one vector for each field of a row, whether the field is a category, a set of values or a number.
//
//   thaw::FieldEmbedding<thaw::Spec> plan = thaw::field_embedding_spec(thaw::FieldKind::multi_valued, 18, 16);
//   auto genres = layer(thaw::FieldColumn<float>{{ids, offsets, films}});    // (films, 16), means over known values
//
// Not a vocabulary: raw values become row numbers where data are read. An unknown value is an id below zero.
#pragma once

#include "thaw/nn/embedding.hpp"
#include "thaw/ops/product.hpp"

namespace thaw::inline v0 {

enum class FieldKind : std::uint8_t { categorical, multi_valued, continuous };

// One column of a batch. Nothing is owned; ids and offsets must live as long as the tape that records them.
template <class Real = float>
struct FieldColumn {
  Bags bags;                     // categorical: one id a row; multi-valued: ids and offsets, `mean` is ignored
  const Real* values = nullptr;  // continuous: (rows)
};

// Arrays that are constants of a forward pass: what values of type T meet without being recorded.
template <Value T>
struct PlainImpl {
  using Type = typename T::Plain;
};
template <>
struct PlainImpl<Spec> {
  using Type = Spec;
};
template <Value T>
using Plain = typename PlainImpl<T>::Type;

// An array of constants in the context that computes `like`, or its shape; fill(numbers) writes them.
template <Value T, class Fill>
Plain<T> make_constant(const T& like, const Shape& shape, const Fill& fill) {
  if constexpr (std::is_same_v<T, Spec>) {
    return Spec{shape, {}, like.meter};
  } else {
    const Plain<T> out = Plain<T>::make(*like.context, shape);
    fill(out.data);
    return out;
  }
}

// 1 / (number of known ids) for each bag, and 0 for a bag without one: (bags, 1).
template <Value T>
Plain<T> inverse_bag_sizes(const T& like, const Bags& bags) {
  return make_constant(like, {bags.count, 1}, [&](auto* out) {
    using R = std::remove_pointer_t<decltype(out)>;
    for (Index s = 0; s < bags.count; ++s) {
      Index known = 0;
      for (Index e = bags.begin(s); e < bags.end(s); ++e) known += bags.ids[e] >= 0 ? 1 : 0;
      out[s] = known == 0 ? R(0) : R(1) / static_cast<R>(known);
    }
  });
}

template <Value T>
struct FieldEmbedding {
  T table;  // (values, width); of a continuous field (1, width)
  FieldKind kind = FieldKind::categorical;

  // `rows` rows -> (rows, width): the row of a category, the mean over a set's known values, the vector times the
  // number. A row without a known value gets zeros.
  template <class Real>
  T operator()(const FieldColumn<Real>& column, Index rows) const {
    if (kind == FieldKind::continuous) {
      const auto numbers = make_constant(table, {rows, 1}, [&](auto* out) {
        require(column.values != nullptr, "FieldEmbedding: a continuous field without values");
        for (Index i = 0; i < rows; ++i) out[i] = static_cast<std::remove_pointer_t<decltype(out)>>(column.values[i]);
      });
      return matmul(numbers, table);
    }
    Bags bags = column.bags;
    bags.mean = false;
    require(bags.count == rows, "FieldEmbedding: a column of ", bags.count, " rows in a batch of ", rows);
    const T sums = gather(table, bags);
    return kind == FieldKind::categorical ? sums : mul(sums, inverse_bag_sizes(table, bags));
  }
  static void each(auto&& visit, auto&... m) {
    visit("table", m.table...);
    visit("kind", m.kind...);
  }
};

// Normal start of the given deviation. Tables are stepped by touched rows unless the field is continuous.
inline FieldEmbedding<Spec> field_embedding_spec(FieldKind kind, Index values, Index width, double deviation = 0.01) {
  const bool continuous = kind == FieldKind::continuous;
  require(continuous || values > 0, "field_embedding_spec: a field of ", values, " values");
  Spec table{{continuous ? 1 : values, width}, {Init::Kind::normal, deviation}};
  table.row_table = !continuous;
  return {table, kind};
}

}  // namespace thaw::inline v0
