// The base models and the table of them by name. To add one: write its struct (see base_model.hpp), list it in
// BaseModels.
//
//   const auto known = mwuf::with_base_model("deepfm", [&](auto base) {
//     const auto plan = decltype(base)::spec(fields, options);      // DeepFm<Spec>
//     ...
//   });
//   if (!known) puts(known.fault().text);
#pragma once

#include "mwuf/base_model.hpp"
#include "thaw/nn/activation_unit.hpp"
#include "thaw/nn/cross.hpp"
#include "thaw/nn/dice.hpp"
#include "thaw/nn/factorization_machine.hpp"
#include "thaw/nn/logarithmic.hpp"
#include "thaw/nn/masked_gru.hpp"
#include "thaw/nn/product_layer.hpp"

namespace mwuf {

// Factorisation machine (Rendle, 2010): w0 + linear weights + all pairwise inner products.
template <Value T>
struct FactorizationMachine {
  static constexpr const char* kName = "fm";
  static constexpr const char* kTitle = "FM";
  static constexpr bool kFusedPairs = true;  // tables, pairs and a tower: FusedStep trains it
  ClickTables<T> tables;
  T bias;  // (1)

  T logits(const ClickBatch<>& batch, const T& item_vectors) const {
    const ClickRows<T> rows = tables.read(batch, item_vectors);
    return rows.finish(add(thaw::pairwise_sum(rows.by_field()), bias));
  }
  static FactorizationMachine<Spec> spec(const FieldPlan& plan, const BaseOptions& options) {
    return {click_tables_spec(plan, options, Linear::all), Spec{{1}, {}}};
  }
  static void each(auto&& visit, auto&... m) {
    visit("tables", m.tables...);
    visit("bias", m.bias...);
  }
};

// Wide & Deep (Cheng et al., 2016): linear weights of all fields but the item's id, and a deep part over all vectors.
template <Value T>
struct WideAndDeep {
  static constexpr const char* kName = "wide_deep";
  static constexpr const char* kTitle = "Wide & Deep";
  static constexpr bool kFusedPairs = false;  // tables, pairs and a tower: FusedStep trains it
  ClickTables<T> tables;
  thaw::Mlp<T> deep;

  T logits(const ClickBatch<>& batch, const T& item_vectors) const {
    const ClickRows<T> rows = tables.read(batch, item_vectors);
    return rows.finish(deep(rows.vectors));
  }
  static WideAndDeep<Spec> spec(const FieldPlan& plan, const BaseOptions& options) {
    return {click_tables_spec(plan, options, Linear::all), tower_spec((plan.count + 1) * options.width, options)};
  }
  static void each(auto&& visit, auto&... m) {
    visit("tables", m.tables...);
    visit("deep", m.deep...);
  }
};

// DeepFM (Guo et al., 2017): a factorisation machine and a deep part over the same vectors.
template <Value T>
struct DeepFm {
  static constexpr const char* kName = "deepfm";
  static constexpr const char* kTitle = "DeepFM";
  static constexpr bool kFusedPairs = true;  // tables, pairs and a tower: FusedStep trains it
  ClickTables<T> tables;
  thaw::Mlp<T> deep;

  T logits(const ClickBatch<>& batch, const T& item_vectors) const {
    const ClickRows<T> rows = tables.read(batch, item_vectors);
    return rows.finish(add(deep(rows.vectors), thaw::pairwise_sum(rows.by_field())));
  }
  static DeepFm<Spec> spec(const FieldPlan& plan, const BaseOptions& options) {
    return {click_tables_spec(plan, options, Linear::all), tower_spec((plan.count + 1) * options.width, options)};
  }
  static void each(auto&& visit, auto&... m) {
    visit("tables", m.tables...);
    visit("deep", m.deep...);
  }
};

// Product-based networks (Qu et al., 2016): a deep part over the vectors and one product for each pair of them.
template <Value T>
struct InnerProductNetwork {
  static constexpr const char* kName = "pnn_inner";
  static constexpr const char* kTitle = "PNN (inner)";
  ClickTables<T> tables;
  thaw::Mlp<T> deep;

  T logits(const ClickBatch<>& batch, const T& item_vectors) const {
    const ClickRows<T> rows = tables.read(batch, item_vectors);
    return rows.finish(deep(thaw::concat({rows.vectors, thaw::inner_products(rows.by_field())}, 1)));
  }
  static InnerProductNetwork<Spec> spec(const FieldPlan& plan, const BaseOptions& options) {
    const Index fields = plan.count + 1;
    return {click_tables_spec(plan, options, Linear::none),
            tower_spec(fields * options.width + thaw::pair_count(fields), options)};
  }
  static void each(auto&& visit, auto&... m) {
    visit("tables", m.tables...);
    visit("deep", m.deep...);
  }
};
template <Value T>
struct OuterProductNetwork {
  static constexpr const char* kName = "pnn_outer";
  static constexpr const char* kTitle = "PNN (outer)";
  ClickTables<T> tables;
  thaw::OuterProducts<T> products;
  thaw::Mlp<T> deep;

  T logits(const ClickBatch<>& batch, const T& item_vectors) const {
    const ClickRows<T> rows = tables.read(batch, item_vectors);
    return rows.finish(deep(thaw::concat({rows.vectors, products(rows.by_field())}, 1)));
  }
  static OuterProductNetwork<Spec> spec(const FieldPlan& plan, const BaseOptions& options) {
    const Index fields = plan.count + 1;
    return {click_tables_spec(plan, options, Linear::none), thaw::outer_products_spec(fields, options.width),
            tower_spec(fields * options.width + thaw::pair_count(fields), options)};
  }
  static void each(auto&& visit, auto&... m) {
    visit("tables", m.tables...);
    visit("products", m.products...);
    visit("deep", m.deep...);
  }
};

// Deep & Cross (Wang et al., 2017): the cross network and a deep part side by side, one linear map over both.
template <Value T>
struct DeepAndCross {
  static constexpr const char* kName = "dcn";
  static constexpr const char* kTitle = "DCN";
  ClickTables<T> tables;
  thaw::Cross<T> cross;
  thaw::Mlp<T> deep;  // its last activation follows here
  thaw::Linear<T> output;

  T logits(const ClickBatch<>& batch, const T& item_vectors) const {
    const ClickRows<T> rows = tables.read(batch, item_vectors);
    return rows.finish(output(thaw::concat({cross(rows.vectors), relu(deep(rows.vectors))}, 1)));
  }
  static DeepAndCross<Spec> spec(const FieldPlan& plan, const BaseOptions& options) {
    const Index in = (plan.count + 1) * options.width;
    DeepAndCross<Spec> out;
    out.tables = click_tables_spec(plan, options, Linear::none);
    out.cross = thaw::cross_spec(in, options.cross_layers);
    out.deep = tower_spec(in, options);
    out.deep.layers.count -= 1;
    thaw::require(out.deep.layers.count > 0, "DeepAndCross: needs a hidden layer");
    out.output = thaw::linear_spec(in + out.deep.layers[out.deep.layers.count - 1].weight.shape[0], 1);
    return out;
  }
  static void each(auto&& visit, auto&... m) {
    visit("tables", m.tables...);
    visit("cross", m.cross...);
    visit("deep", m.deep...);
    visit("output", m.output...);
  }
};

// Adaptive factorisation network (Cheng et al., 2020), one network and not the ensemble: logarithmic neurons, then deep
// layers, each ReLU and then batch norm.
template <Value T>
struct AdaptiveFactorization {
  static constexpr const char* kName = "afn";
  static constexpr const char* kTitle = "AFN";
  static constexpr bool kHasStatistics = true;
  ClickTables<T> tables;
  thaw::LogarithmicNeurons<T> logarithmic;
  thaw::Several<thaw::Linear<T>, 6> layers;
  thaw::Several<thaw::BatchNorm<T>, 6> norms;
  thaw::Linear<T> output;

  T logits(const ClickBatch<>& batch, const T& item_vectors) const {
    const ClickRows<T> rows = tables.read(batch, item_vectors);
    T x = logarithmic(rows.by_field());
    for (int l = 0; l < layers.count; ++l) x = norms[l](relu(layers[l](x)));
    return rows.finish(output(x));
  }
  template <class Real>
  T training_logits(const ClickBatch<>& batch, const T& item_vectors, thaw::StatisticsUpdate<Real>& update) const {
    const ClickRows<T> rows = tables.read(batch, item_vectors);
    T x = logarithmic.train(rows.by_field(), update);
    for (int l = 0; l < layers.count; ++l) x = norms[l].train(relu(layers[l](x)), update);
    return rows.finish(output(x));
  }
  static AdaptiveFactorization<Spec> spec(const FieldPlan& plan, const BaseOptions& options) {
    AdaptiveFactorization<Spec> out;
    out.tables = click_tables_spec(plan, options, Linear::none);
    out.logarithmic = thaw::logarithmic_spec(plan.count + 1, options.width, options.neurons, options.log1p);
    Index in = options.width * options.neurons;
    for (const Index hidden : options.hidden) {
      if (hidden == 0) break;
      out.layers.push(thaw::linear_spec(in, hidden));
      out.norms.push(thaw::batch_norm_spec(hidden));
      in = hidden;
    }
    out.output = thaw::linear_spec(in, 1);
    return out;
  }
  static void each(auto&& visit, auto&... m) {
    visit("tables", m.tables...);
    visit("logarithmic", m.logarithmic...);
    visit("layers", m.layers...);
    visit("norms", m.norms...);
    visit("output", m.output...);
  }
};

// GRU4Rec (Hidasi et al., 2016) in its click form: the last state of a GRU over the user's history joins the vectors.
template <Value T>
struct RecurrentHistory {
  static constexpr const char* kName = "gru4rec";
  static constexpr const char* kTitle = "GRU4Rec";
  static constexpr bool kReadsHistory = true;
  ClickTables<T> tables;
  thaw::MaskedGru<T> gru;
  thaw::Mlp<T> deep;

  T logits(const ClickBatch<>& batch, const T& item_vectors) const {
    const ClickRows<T> rows = tables.read(batch, item_vectors);
    const ClickHistory<T> history = tables.history(batch);
    return rows.finish(deep(thaw::concat({rows.vectors, gru(history.vectors, history.known)}, 1)));
  }
  static RecurrentHistory<Spec> spec(const FieldPlan& plan, const BaseOptions& options) {
    return {click_tables_spec(plan, options, Linear::none), thaw::masked_gru_spec(options.width, options.width),
            tower_spec((plan.count + 2) * options.width, options)};
  }
  static void each(auto&& visit, auto&... m) {
    visit("tables", m.tables...);
    visit("gru", m.gru...);
    visit("deep", m.deep...);
  }
};

// Deep interest network (Zhou et al., 2018): the history as the candidate sees it, batch norm, deep layers with Dice.
// The per-item bias of the official code is options.bias_terms.
template <Value T>
struct DeepInterest {
  static constexpr const char* kName = "din";
  static constexpr const char* kTitle = "DIN";
  static constexpr bool kReadsHistory = true;
  static constexpr bool kHasStatistics = true;
  ClickTables<T> tables;
  thaw::ActivationUnit<T> attention;
  thaw::BatchNorm<T> norm;
  thaw::Several<thaw::Linear<T>, 6> layers;
  thaw::Several<thaw::Dice<T>, 6> dice;  // none: sigmoids
  thaw::Linear<T> output;

  T logits(const ClickBatch<>& batch, const T& item_vectors) const {
    const ClickRows<T> rows = tables.read(batch, item_vectors);
    T x = norm(inputs(batch, rows));
    for (int l = 0; l < layers.count; ++l) x = dice.count > 0 ? dice[l](layers[l](x)) : sigmoid(layers[l](x));
    return rows.finish(output(x));
  }
  template <class Real>
  T training_logits(const ClickBatch<>& batch, const T& item_vectors, thaw::StatisticsUpdate<Real>& update) const {
    const ClickRows<T> rows = tables.read(batch, item_vectors);
    T x = norm.train(inputs(batch, rows), update);
    for (int l = 0; l < layers.count; ++l)
      x = dice.count > 0 ? dice[l].train(layers[l](x), update) : sigmoid(layers[l](x));
    return rows.finish(output(x));
  }
  static DeepInterest<Spec> spec(const FieldPlan& plan, const BaseOptions& options) {
    DeepInterest<Spec> out;
    out.tables = click_tables_spec(plan, options, Linear::none);
    out.attention = thaw::activation_unit_spec(options.width, options.normalise_attention);
    Index in = (plan.count + 3) * options.width;
    out.norm = thaw::batch_norm_spec(in);
    for (const Index hidden : options.hidden) {
      if (hidden == 0) break;
      out.layers.push(thaw::linear_spec(in, hidden));
      if (options.dice) out.dice.push(thaw::dice_spec(hidden));
      in = hidden;
    }
    out.output = thaw::linear_spec(in, 1);
    return out;
  }
  static void each(auto&& visit, auto&... m) {
    visit("tables", m.tables...);
    visit("attention", m.attention...);
    visit("norm", m.norm...);
    visit("layers", m.layers...);
    visit("dice", m.dice...);
    visit("output", m.output...);
  }

 private:
  // (rows, (fields + 2) * width): the vectors, the interest in the item, and its product with the item.
  T inputs(const ClickBatch<>& batch, const ClickRows<T>& rows) const {
    const ClickHistory<T> history = tables.history(batch);
    const T interest = attention(rows.item, history.vectors, history.known);
    return thaw::concat({rows.vectors, interest, mul(interest, rows.item)}, 1);
  }
};

// A list of base models, each as its plan, M<Spec>, from which ModelOf makes the others.
template <class... Plans>
struct ModelList {
  static constexpr int kCount = sizeof...(Plans);
  template <class Fn>
  static void each(Fn&& fn) {
    (fn(Plans{}), ...);
  }
};

using BaseModels = ModelList<FactorizationMachine<Spec>, WideAndDeep<Spec>, DeepFm<Spec>, InnerProductNetwork<Spec>,
                             OuterProductNetwork<Spec>, DeepAndCross<Spec>, AdaptiveFactorization<Spec>,
                             RecurrentHistory<Spec>, DeepInterest<Spec>>;

// Calls fn(M<Spec>{}) for the base model of that name. Errors: a name that is not in the table.
template <class Fn>
thaw::Result<thaw::Done> with_base_model(const char* name, Fn&& fn) {
  bool found = false;
  BaseModels::each([&](auto base) {
    if (found || __builtin_strcmp(name, decltype(base)::kName) != 0) return;
    found = true;
    fn(base);
  });
  if (found) return thaw::Done{};
  thaw::Fault fault = thaw::make_fault(thaw::FaultKind::mismatch, "no base model is called ", name, "; there are");
  BaseModels::each([&](auto base) { fault.add(" ").add(decltype(base)::kName); });
  return fault;
}

}  // namespace mwuf
