// LogarithmicNeurons: products of fields with learnt exponents (Cheng et al., 2020): exp(sum over f of w_f ln|e_f|).
//
//   thaw::LogarithmicNeurons<thaw::Spec> plan = thaw::logarithmic_spec(/*fields*/ 8, /*width*/ 16, /*neurons*/ 256);
//   auto y = neurons(vectors);                       // (rows, 8, 16) -> (rows, 16 * 256)
//   auto z = neurons.train(vectors, update);         // batch norm with the batch's statistics
//
// The official form: |e| is cut below at 1e-4, batch norm over the width before the exponents and after them, a bias a
// neuron. With `log1p`: ln(1 + |e|), exp(x) - 1, then ReLU; no bias, no batch norm: another function, which is 0 for
// zeros. Column k * neurons + j of the result is neuron j at place k of the vectors.
#pragma once

#include "thaw/nn/batch_norm.hpp"

namespace thaw::inline v0 {

// ln(max(|x|, 1e-4)) and its slope.
struct ClippedLogFunction {
  template <class V>
  THAW_HOST_DEVICE static V value(V x) {
    const V size = x < V(0) ? -x : x;
    return Log::value(size < V(1e-4) ? V(1e-4) : size);
  }
};
struct ClippedInverseFunction {
  template <class V>
  THAW_HOST_DEVICE static V value(V x) {
    const V size = x < V(0) ? -x : x;
    const V safe = size > V(1e-4) ? x : V(1);
    return (size > V(1e-4) ? V(1) : V(0)) / safe;
  }
};

namespace op {

// 1 / x, and 0 where |x| is at most 1e-4.
struct ClippedInverse : Unary<ClippedInverse, ClippedInverseFunction> {
  static constexpr const char* name = "clipped_inverse";
  template <class T>
  static void vjp(const Attr&, const T& g, const T& out, const T*, int, Adjoints<T>& d) {
    d.give(0, thaw::scale(thaw::mul(g, apply<Square>({}, {out})), -1));
  }
};
struct ClippedLog : Unary<ClippedLog, ClippedLogFunction> {
  static constexpr const char* name = "clipped_log";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, thaw::mul(g, apply<ClippedInverse>({}, {in[0]})));
  }
};

}  // namespace op

// ln(max(|x|, 1e-4)), elementwise; no gradient where it is cut.
template <Value T>
T clipped_log(const T& x) {
  return apply<op::ClippedLog>({}, {x});
}

template <Value T>
struct LogarithmicNeurons {
  T weight;                        // (neurons, fields)
  Several<T, 1> bias;              // (neurons)
  Several<BatchNorm<T>, 2> norms;  // before the exponents, and after; none with log1p

  bool log1p() const { return norms.count == 0; }
  // vectors (rows, fields, width) -> (rows, width * neurons)
  T operator()(const T& vectors) const {
    return run(vectors, [&](int which, const T& x, int axis) { return norms[which](x, axis); });
  }
  template <class Real>
  T train(const T& vectors, StatisticsUpdate<Real>& update) const {
    return run(vectors, [&](int which, const T& x, int axis) { return norms[which].train(x, update, axis); });
  }
  static void each(auto&& visit, auto&... m) {
    visit("weight", m.weight...);
    visit("bias", m.bias...);
    visit("norms", m.norms...);
  }

 private:
  template <class Norm>
  T run(const T& vectors, const Norm& norm) const {
    const Index rows = vectors.shape[0], fields = vectors.shape[1], width = vectors.shape[2];
    const Index neurons = weight.shape[0];
    const T logs = log1p() ? log(shift(abs(vectors), 1 + 1e-7)) : norm(0, clipped_log(vectors), 2);
    const T by_place = permute(logs, {0, 2, 1});  // (rows, width, fields)
    if (log1p()) {
      const T sums = matmul(reshape(by_place, {rows * width, fields}), weight, Transpose::second);
      return reshape(relu(shift(exp(sums), -1)), {rows, width * neurons});
    }
    return reshape(norm(1, exp(linear(by_place, weight, bias[0])), 1), {rows, width * neurons});
  }
};

// Weights start normal with deviation 0.1, biases at 0.
inline LogarithmicNeurons<Spec> logarithmic_spec(Index fields, Index width, Index neurons, bool log1p = false) {
  LogarithmicNeurons<Spec> plan;
  plan.weight = Spec{{neurons, fields}, {Init::Kind::normal, 0.1}};
  if (log1p) return plan;
  plan.bias.push(Spec{{neurons}, {}});
  plan.norms.push(batch_norm_spec(width));
  plan.norms.push(batch_norm_spec(width));
  return plan;
}

}  // namespace thaw::inline v0
