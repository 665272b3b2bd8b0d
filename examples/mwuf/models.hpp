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
#include "thaw/nn/factorization_machine.hpp"

namespace mwuf {

// Factorisation machine (Rendle, 2010): w0 + linear weights + all pairwise inner products.
template <Value T>
struct FactorizationMachine {
  static constexpr const char* kName = "fm";
  static constexpr const char* kTitle = "FM";
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

// A list of base models. A model is handed on as its plan, M<Spec>, from which ModelOf makes the others.
template <template <Value> class... M>
struct ModelList {
  static constexpr int kCount = sizeof...(M);
  template <class Fn>
  static void each(Fn&& fn) {
    (fn(M<Spec>{}), ...);
  }
};

using BaseModels = ModelList<FactorizationMachine, WideAndDeep, DeepFm>;

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
