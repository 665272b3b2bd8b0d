// token_cross_entropy: the mean cross-entropy of rows of logits against one class a row, some rows left out.
//
//   const std::int32_t classes[] = {17, 4, -1};                  // below zero: the row does not count (padding)
//   auto loss = thaw::token_cross_entropy(logits, classes);      // logits (3, vocabulary) -> a scalar
//
// The gradient is softmax minus one-hot in one pass; no table of probabilities is kept. The ids are not copied: they
// must live as long as the tape. For losses without padding and few classes see nn/losses.hpp.
#pragma once

#include "thaw/ops/index.hpp"
#include "thaw/ops/normalize.hpp"

namespace thaw::inline v0 {

namespace op {

struct TokenCrossEntropy {
  static constexpr const char* name = "token_cross_entropy";
  struct Attr {
    const std::int32_t* classes;
    void* saved;  // log_sum_exp of each row
  };
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    require(in[0].shape.rank == 2, "token_cross_entropy: shape ", in[0].shape, ", expected (rows, classes)");
    return {};
  }
  static Index counted(const Attr& attr, Index rows) {
    Index count = 0;
    for (Index i = 0; i < rows; ++i) count += attr.classes[i] >= 0;
    return count > 0 ? count : 1;
  }
  template <class A>
  static A forward(Attr& attr, const A* in, int n, bool) {
    using R = typename A::Real;
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    const Index rows = in[0].shape[0], columns = in[0].shape[1];
    const A totals = A::make(context, {rows});
    attr.saved = totals.data;
    A::Backend::log_sum_exp(context, rows, columns, in[0].data, totals.data);
    for (Index i = 0; i < rows; ++i)
      require(attr.classes[i] < columns, "token_cross_entropy: class ", attr.classes[i], " of row ", i,
              " is outside shape ", in[0].shape);
    if constexpr (has_own_memory<typename A::Context>) {
      A::Backend::token_loss(context, rows, columns, counted(attr, rows), attr.classes, in[0].data, totals.data,
                             out.data);
    } else {
      double sum = 0;
      for (Index i = 0; i < rows; ++i) {
        const std::int32_t id = attr.classes[i];
        if (id >= 0) sum += static_cast<double>(totals[i]) - static_cast<double>(in[0][i * columns + id]);
      }
      out[0] = static_cast<R>(sum / static_cast<double>(counted(attr, rows)));
    }
    return out;
  }
  template <class T>
  static T compose(const Attr& attr, const T* in, int n) {
    using A = typename T::Plain;
    auto& context = context_of(in, n, name);
    const Index rows = in[0].shape[0];
    auto* ids = context.arena->template take<std::int32_t>(rows);
    auto* shares = context.arena->template take<typename A::Real>(rows);
    const double each = 1 / static_cast<double>(counted(attr, rows));
    for (Index i = 0; i < rows; ++i) {
      ids[i] = attr.classes[i] < 0 ? 0 : attr.classes[i];
      shares[i] = static_cast<typename A::Real>(attr.classes[i] < 0 ? 0 : each);
    }
    const A share = A::of_host(context, shares, {rows});
    const T totals = thaw::reshape(thaw::log_sum_exp(in[0]), {rows});
    return sum(thaw::mul(thaw::sub(totals, thaw::pick(in[0], ids)), share));
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int n, Adjoints<T>& d) {
    if constexpr (is_array<T>) {
      using R = typename T::Real;
      auto& context = context_of(in, n, name);
      const Index rows = in[0].shape[0], columns = in[0].shape[1];
      const T out = T::make(context, in[0].shape);
      if constexpr (has_own_memory<typename T::Context>) {
        T::Backend::token_loss_backward(context, rows, columns, counted(attr, rows), attr.classes, g.data, in[0].data,
                                        static_cast<const R*>(attr.saved), out.data);
      } else {
        const R each = g[0] / static_cast<R>(counted(attr, rows));
        T::Backend::shifted_exp(context, rows, columns, each, in[0].data, static_cast<const R*>(attr.saved), out.data);
        for (Index i = 0; i < rows; ++i) {
          if (attr.classes[i] >= 0)
            out[i * columns + attr.classes[i]] -= each;
          else
            T::Backend::fill(context, columns, R(0), out.data + i * columns);
        }
      }
      d.give(0, out);
    } else {
      Engine<T>::template pull_through<TokenCrossEntropy>(attr, g, in, n, d);
    }
  }
};

}  // namespace op

// Mean over the rows with a class of log_sum_exp(row) - row[class]; 0 when no row has one.
// Errors: a class beyond the columns.
template <Value T>
T token_cross_entropy(const T& logits, const std::int32_t* classes) {
  return apply<op::TokenCrossEntropy>({classes, nullptr}, {logits});
}

}  // namespace thaw::inline v0
