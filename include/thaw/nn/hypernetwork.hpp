// Hypernetwork: heads that turn one code into the weights of another module. What comes out is an ordinary module.
//
//   thaw::Linear<thaw::Spec> target = thaw::linear_spec(16, 1);
//   auto plan = thaw::hypernetwork_spec(target, /*code*/ 32);           // one head for the weight, one for the bias
//   thaw::Linear<T> scorer = heads.generate(target, code);              // code (1, 32)
//   auto score = scorer(x);
//
// A head is act(code H + b): by default b starts as the ordinary start of the generated weight and H small, so that the
// module begins as one that was drawn as usual and differs between codes by `spread`. The gradient of H is a product of
// two thin matrices; optim/low_rank_step.hpp steps H without forming it. Not a per-user table: the code is an input.
#pragma once

#include "thaw/core/module.hpp"
#include "thaw/ops/product.hpp"

namespace thaw::inline v0 {

// x where it is positive, slope * x elsewhere: 1 changes nothing, 0 is relu.
template <Value T>
T leaky_relu(const T& x, double slope) {
  if (slope == 1) return x;
  if (slope == 0) return relu(x);
  return add(scale(x, slope), scale(relu(x), 1 - slope));
}

template <Value T>
struct Head {
  T matrix;            // (code, size)
  Several<T, 1> bias;  // (1, size), or none
  double slope = 1;    // of the activation on its negative side

  // code (codes, code) -> (codes, size)
  template <Value X>
  Meet<X, T> operator()(const X& code) const {
    const Meet<X, T> made = matmul(code, matrix);
    return leaky_relu(bias.count == 0 ? made : add(made, bias[0]), slope);
  }
  static void each(auto&& visit, auto&... m) {
    visit("matrix", m.matrix...);
    visit("bias", m.bias...);
    visit("slope", m.slope...);
  }
};

template <Value T>
struct Hypernetwork {
  static constexpr int kMaxHeads = 32;
  Several<Head<T>, kMaxHeads> heads;  // one a tensor of the generated module, in the order of its `each`

  // The module of `plan` made from one code, (1, code).
  template <class Plan, Value X>
  ModelOf<Plan, Meet<X, T>> generate(const Plan& plan, const X& code) const {
    require(code.shape.rank == 2 && code.shape[0] == 1, "Hypernetwork: a code of shape ", code.shape,
            ", expected (1, width)");
    require(tensor_count(plan) == heads.count, "Hypernetwork: ", heads.count, " heads for a module of ",
            tensor_count(plan), " tensors");
    int i = 0;
    return map_model<Meet<X, T>>(plan, [&](const Path& path, const Spec& spec) {
      const Head<T>& head = heads[i++];
      require(head.matrix.shape[1] == spec.size(), "Hypernetwork: the head of ", path, " makes ", head.matrix.shape[1],
              " numbers, not ", spec.size());
      return reshape(head(code), spec.shape);
    });
  }
  static void each(auto&& visit, auto&... m) { visit("heads", m.heads...); }
};

// A few directions of interest: a short code of a user becomes the wider one that the heads read.
template <Value T>
struct InterestBasis {
  T basis;  // (short, wide)

  template <Value X>
  Meet<X, T> operator()(const X& code) const {
    return matmul(code, basis);
  }
  static void each(auto&& visit, auto&... m) { visit("basis", m.basis...); }
};

enum class HeadStart : std::uint8_t {
  fan_in,  // the bias is the generated weight's own start, the matrix small
  glorot   // Glorot-uniform on (code, size), biases zero: the generated weight's size depends on neither of its fans
};

struct HeadOptions {
  HeadStart start = HeadStart::fan_in;
  bool bias = true;     // fan_in needs it
  double slope = 1;     // of the activation: 1 none, 0 relu
  double spread = 0.1;  // fan_in: how far codes of unit variance move a weight, as a share of its own deviation
};

inline double glorot_limit(Index in, Index out) { return __builtin_sqrt(6.0 / static_cast<double>(in + out)); }

namespace detail {

inline Head<Spec> head_spec(const Spec& target, Index code, const HeadOptions& options) {
  Head<Spec> head;
  head.slope = options.slope;
  const Index size = target.size();
  if (options.start == HeadStart::glorot) {
    head.matrix = Spec{{code, size}, {Init::Kind::uniform, glorot_limit(code, size)}};
    if (options.bias) head.bias.push(Spec{{1, size}, {}});
    return head;
  }
  require(options.bias, "hypernetwork_spec: a fan-in start lives in the bias of a head; ask for one, or for glorot");
  // E[act(w)^2] is (1 + slope^2) / 2 of E[w^2] for a symmetric w: what the activation takes is put back.
  const double gain = __builtin_sqrt(2 / (1 + options.slope * options.slope));
  Init own = target.init;
  double deviation = own.kind == Init::Kind::uniform ? own.scale / __builtin_sqrt(3.0) : own.scale;
  if (own.kind == Init::Kind::constant)
    deviation = 0;
  else
    own.scale *= gain, deviation *= gain;
  head.matrix =
      Spec{{code, size}, {Init::Kind::normal, options.spread * deviation / __builtin_sqrt(static_cast<double>(code))}};
  head.bias.push(Spec{{1, size}, own});
  return head;
}

}  // namespace detail

// Heads for every tensor of `target`, whose own starts they take over. `code`: width of the code.
template <class Plan>
Hypernetwork<Spec> hypernetwork_spec(const Plan& target, Index code, const HeadOptions& options = {}) {
  Hypernetwork<Spec> plan;
  for_each_tensor([&](const Path&, const Spec& spec) { plan.heads.push(detail::head_spec(spec, code, options)); },
                  target);
  return plan;
}
// Glorot-uniform on (short, wide).
inline InterestBasis<Spec> interest_basis_spec(Index short_width, Index wide) {
  return {Spec{{short_width, wide}, {Init::Kind::uniform, glorot_limit(short_width, wide)}}};
}

}  // namespace thaw::inline v0
