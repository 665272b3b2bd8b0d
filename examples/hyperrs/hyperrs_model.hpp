// HyperRS: a recommender whose scorer is made for one user by a hypernetwork (HyperRS, IEEE Access 2023).
//
// A short code of the user goes through a basis of interests into heads that generate every weight of her scorer. The
// scorer embeds an item by its attributes (genre, creator, character), lets the user's embedding attend over them, and
// ends in a perceptron.
//
//   hyperrs::HyperRS<thaw::Spec> plan = hyperrs::hyperrs_plan(sizes);
//   auto scorer = model.scorer(code);                         // a module like any other; adapt it, or keep it
//   auto scores = model.score(scorer, user, items);           // (items)
//
// Two variants of the network: `paper`, as printed, and `code`, as released (they differ in five places).
#pragma once

#include "hyperrs/names.hpp"
#include "thaw/nn/dot_attention.hpp"
#include "thaw/nn/hypernetwork.hpp"

namespace hyperrs {

constexpr int kMostContents = 8;

// Sizes and switches of the network. The defaults are the paper's.
struct HyperSizes {
  Index cardinality[kMostContents] = {};  // contents of each attribute
  int attributes = 0;
  Index width = 64;      // d, of the user's embedding and of contents
  Index interest = 128;  // p, what the heads read
  Index codes = 64;      // q, of the user's code
  bool head_bias = true;
  double head_slope = 0.3;           // of the heads' LeakyReLU; 0 is ReLU
  bool first_kernel_linear = false;  // no activation on the first attribute's kernel
  bool item_layer_active = true;     // bias and ReLU after the concatenated attributes
  bool raw_slots = true;             // attention over the embeddings themselves, not over their transforms

  // As released: ReLU heads without bias, the first kernel linear, a linear item layer, transformed slots.
  HyperSizes as_released() const {
    HyperSizes s = *this;
    s.head_bias = false;
    s.head_slope = 0;
    s.first_kernel_linear = true;
    s.item_layer_active = false;
    s.raw_slots = false;
    return s;
  }
};

// y = x W + b with the weight stored (in, out), as the published flat order of generated weights has it.
template <Value T>
struct StoredAffine {
  T weight;            // (in, out)
  Several<T, 1> bias;  // (1, out), or none

  template <Value X>
  thaw::Meet<X, T> operator()(const X& x) const {
    const auto y = thaw::matmul(x, weight);
    return bias.count == 0 ? y : thaw::add(y, bias[0]);
  }
  static void each(auto&& visit, auto&... m) {
    visit("weight", m.weight...);
    visit("bias", m.bias...);
  }
};

// What is generated for one user: Theta.
template <Value T>
struct GeneratedScorer {
  Several<StoredAffine<T>, kMostContents> attributes;  // (d, d) each
  StoredAffine<T> item;                                // (attributes d, d)
  Several<StoredAffine<T>, 4> layers;                  // (2d, d), (d, d), (d, d), (d, 1); the last without bias

  static void each(auto&& visit, auto&... m) {
    visit("attributes", m.attributes...);
    visit("item", m.item...);
    visit("layers", m.layers...);
  }
};

// He's start: variance 2 / fan-in.
inline StoredAffine<Spec> stored_affine_spec(Index in, Index out, bool bias) {
  StoredAffine<Spec> plan;
  plan.weight = Spec{{in, out}, {thaw::Init::Kind::normal, __builtin_sqrt(2.0 / static_cast<double>(in))}};
  if (bias) plan.bias.push(Spec{{1, out}, {}});
  return plan;
}

// 10 d^2 + 7 d numbers for three attributes, d more with an active item layer.
inline GeneratedScorer<Spec> scorer_plan(const HyperSizes& sizes) {
  const Index d = sizes.width;
  GeneratedScorer<Spec> plan;
  for (int i = 0; i < sizes.attributes; ++i) plan.attributes.push(stored_affine_spec(d, d, true));
  plan.item = stored_affine_spec(sizes.attributes * d, d, sizes.item_layer_active);
  plan.layers.push(stored_affine_spec(2 * d, d, true));
  plan.layers.push(stored_affine_spec(d, d, true));
  plan.layers.push(stored_affine_spec(d, d, true));
  plan.layers.push(stored_affine_spec(d, 1, false));
  return plan;
}

// One user: an embedding that the scorer reads, and a code that the scorer is made from.
template <Value T>
struct UserVectors {
  T embedding;  // (1, d)
  T code;       // (1, q)

  static void each(auto&& visit, auto&... m) {
    visit("embedding", m.embedding...);
    visit("code", m.code...);
  }
};

// The contents of a list of items, one bag an item and attribute.
struct ItemContents {
  Bags of[kMostContents];
  Index count = 0;
};

template <Value T>
struct HyperRS {
  Several<thaw::Embedding<T>, kMostContents> contents;  // M_x
  thaw::InterestBasis<T> basis;                         // M_u
  thaw::Hypernetwork<T> heads;
  HyperSizes sizes;

  // Theta of a code, (1, q).
  template <Value X>
  auto scorer(const X& code) const {
    return heads.generate(scorer_plan(sizes), basis(code));
  }
  // Shares of the attributes in each item, (items, attributes).
  template <Value S>
  T attention(const GeneratedScorer<S>& made, const T& user, const ItemContents& items) const {
    return thaw::dot_attention_weights(user, slots(made, items).attended);
  }
  // (items). `user`: (1, d).
  template <Value S>
  T score(const GeneratedScorer<S>& made, const T& user, const ItemContents& items) const {
    const Index n = items.count, d = sizes.width;
    const Slots s = slots(made, items);
    T item = made.item(thaw::reshape(s.transformed, {n, sizes.attributes * d}));
    if (sizes.item_layer_active) item = thaw::relu(item);
    item = thaw::add(item, thaw::dot_attention_mix(thaw::dot_attention_weights(user, s.attended), s.attended));
    const T both[2] = {thaw::broadcast_to(user, {n, d}), item};
    T x = thaw::concat(both, 1);
    for (int i = 0; i + 1 < made.layers.count; ++i) x = thaw::relu(made.layers[i](x));
    return thaw::reshape(made.layers[made.layers.count - 1](x), {n});
  }

  static void each(auto&& visit, auto&... m) {
    visit("contents", m.contents...);
    visit("basis", m.basis...);
    visit("heads", m.heads...);
    visit("sizes", m.sizes...);
  }

 private:
  struct Slots {
    T transformed, attended;  // (items, attributes, d)
  };
  template <Value S>
  Slots slots(const GeneratedScorer<S>& made, const ItemContents& items) const {
    T raw[kMostContents], transformed[kMostContents];
    for (int i = 0; i < contents.count; ++i) {
      raw[i] = contents[i](items.of[i]);
      transformed[i] = thaw::relu(made.attributes[i](raw[i]));
    }
    const thaw::Shape shape{items.count, sizes.attributes, sizes.width};
    Slots s;
    s.transformed = thaw::reshape(thaw::concat(transformed, contents.count, 1), shape);
    s.attended = sizes.raw_slots ? thaw::reshape(thaw::concat(raw, contents.count, 1), shape) : s.transformed;
    return s;
  }
};

// `start`: of the heads; the published one is Glorot.
inline HyperRS<Spec> hyperrs_plan(const HyperSizes& sizes, thaw::HeadStart start = thaw::HeadStart::glorot) {
  HyperRS<Spec> plan;
  plan.sizes = sizes;
  for (int i = 0; i < sizes.attributes; ++i)
    plan.contents.push({Spec{{sizes.cardinality[i], sizes.width},
                             {thaw::Init::Kind::uniform, thaw::glorot_limit(sizes.cardinality[i], sizes.width)}}});
  plan.basis = thaw::interest_basis_spec(sizes.codes, sizes.interest);
  plan.heads = thaw::hypernetwork_spec(scorer_plan(sizes), sizes.interest,
                                       {.start = start, .bias = sizes.head_bias, .slope = sizes.head_slope});
  if (sizes.first_kernel_linear) plan.heads.heads[0].slope = 1;
  return plan;
}

// What moves in the inner loop; a moved code makes a new scorer, on top of which the scorer's own moves stay.
struct InnerMoves {
  bool scorer = true;
  bool code = false;
  bool embedding = false;
};

// What one user's inner loop moves: her vectors, and how far her scorer has gone from what the heads generate.
template <Value T>
struct FastUser {
  UserVectors<T> user;
  GeneratedScorer<T> moved;

  static void each(auto&& visit, auto&... m) {
    visit("user", m.user...);
    visit("moved", m.moved...);
  }
};

// The scorer of a fast user: generated from her code, plus the moves.
template <Value T, Value M>
GeneratedScorer<T> fast_scorer(const HyperRS<M>& model, const FastUser<T>& fast) {
  GeneratedScorer<T> made = model.scorer(fast.user.code);
  thaw::for_each_unnamed([](T& to, const T& by) { to = thaw::add(to, by); }, made, fast.moved);
  return made;
}

}  // namespace hyperrs
