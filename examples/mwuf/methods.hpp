// The ways of warming up new items by name. To add one: derive from WarmUp (method.hpp) and list it in kMethods.
//
//   const mwuf::MethodEntry* entry = mwuf::find_method("mwuf");
//   auto method = entry->make(*base, world);
#pragma once

#include <memory>
#include <string_view>

#include "mwuf/count_aware.hpp"
#include "mwuf/cvar.hpp"
#include "mwuf/item_melu.hpp"
#include "mwuf/metaemb.hpp"
#include "mwuf/trainer.hpp"
#include "mwuf/warm_up.hpp"

namespace mwuf {

struct MethodEntry {
  const char* name;
  const char* title;
  std::unique_ptr<WarmUp> (*make)(ClickBase& base, const ClickWorld& world);
  std::vector<FineTuning> (*grid)();
  double item_dropout = 0;  // share of a base's training impressions that read no vector of their item
  bool bias_terms = false;  // whether the base has them
  // A base of the method's own, trained; null: the base that is asked for. `which` is chosen like everything else that
  // is tuned, on pseudo-new items.
  std::unique_ptr<ClickBase> (*own_base)(const ClickWorld& world, int which) = nullptr;
  int own_bases = 1;
};

namespace detail {

template <class Method, class... Options>
std::unique_ptr<WarmUp> make_method(ClickBase& base, const ClickWorld& world, const Options&... options) {
  return std::make_unique<Method>(base, world, options...);
}
// Inner steps and rates.
inline std::vector<FineTuning> inner_loop_grid() {
  std::vector<FineTuning> grid;
  for (const double rate : {0.01, 0.05, 0.2})
    for (const int steps : {1, 2, 5, 10, 20}) grid.push_back({.epochs = steps, .rate = rate});
  return grid;
}
inline std::vector<FineTuning> strength_grid() {
  std::vector<FineTuning> grid;
  for (const double strength : {0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0}) grid.push_back({.strength = strength});
  return grid;
}
inline std::unique_ptr<WarmUp> make_mwuf(ClickBase& base, const ClickWorld& world, bool start, bool scales,
                                         bool shifts) {
  MetaWarmUpOptions options;
  options.common_start = start, options.scales = scales, options.shifts = shifts;
  return make_method<MetaWarmUp>(base, world, options);
}

inline std::unique_ptr<WarmUp> make_best(ClickBase& base, const ClickWorld& world) {
  CountAwareOptions options;
  options.ridge = -1;  // features have had their say in the base
  return make_method<CountAware>(base, world, options);
}

}  // namespace detail

inline const MethodEntry kMethods[] = {
    {"none", "base, random new ids",
     [](ClickBase& b, const ClickWorld& w) { return detail::make_method<RandomStart>(b, w); }, fine_tuning_grid},
    {"mean", "base, mean vector", [](ClickBase& b, const ClickWorld& w) { return detail::make_method<WarmUp>(b, w); },
     fine_tuning_grid},
    {"mean-bias", "base with bias terms, mean vector",
     [](ClickBase& b, const ClickWorld& w) { return detail::make_method<WarmUp>(b, w); }, fine_tuning_grid, 0, true},
    {"dropoutnet", "DropoutNet", [](ClickBase& b, const ClickWorld& w) { return detail::make_method<WarmUp>(b, w); },
     fine_tuning_grid, 0.1},
    {"dropoutnet-half", "DropoutNet, half dropped",
     [](ClickBase& b, const ClickWorld& w) { return detail::make_method<WarmUp>(b, w); }, fine_tuning_grid, 0.5},
    {"melu", "MeLU, tasks are items",
     [](ClickBase& b, const ClickWorld& w) { return detail::make_method<ItemMelu>(b, w, ItemMeluOptions()); },
     detail::inner_loop_grid},
    {"metaemb", "MetaEmb",
     [](ClickBase& b, const ClickWorld& w) { return detail::make_method<MetaEmbedding>(b, w, MetaEmbeddingOptions()); },
     fine_tuning_grid},
    {"cvar", "CVAR", [](ClickBase& b, const ClickWorld& w) { return detail::make_method<Cvar>(b, w, CvarOptions()); },
     fine_tuning_grid},
    {"mwuf", "MWUF", [](ClickBase& b, const ClickWorld& w) { return detail::make_mwuf(b, w, true, true, true); },
     fine_tuning_grid},
    {"mwuf-no-start", "MWUF, random start",
     [](ClickBase& b, const ClickWorld& w) { return detail::make_mwuf(b, w, false, true, true); }, fine_tuning_grid},
    {"mwuf-no-scale", "MWUF, no scaling",
     [](ClickBase& b, const ClickWorld& w) { return detail::make_mwuf(b, w, true, false, true); }, fine_tuning_grid},
    {"mwuf-no-shift", "MWUF, no shifting",
     [](ClickBase& b, const ClickWorld& w) { return detail::make_mwuf(b, w, true, true, false); }, fine_tuning_grid},
    {"count-aware", "count-aware vectors, base with bias terms",
     [](ClickBase& b, const ClickWorld& w) { return detail::make_method<CountAware>(b, w, CountAwareOptions()); },
     detail::strength_grid, 0, true},
    {"best-no-popularity", "best without popularity", detail::make_best, detail::strength_grid, 0, false,
     [](const ClickWorld& w, int which) {
       TasteOptions options = taste_choice(which);
       options.popularity_levels = 0;
       return make_taste_base(w, options);
     },
     kTasteChoices},
    {"best-all-ids", "best, ids in every sample", detail::make_best, detail::strength_grid, 0, false,
     [](const ClickWorld& w, int which) {
       TasteOptions options = taste_choice(which);
       options.item_dropout = 0;
       return make_taste_base(w, options);
     },
     kTasteChoices},
    {"best", "MWUF best: count-aware", detail::make_best, detail::strength_grid, 0, false,
     [](const ClickWorld& w, int which) { return make_taste_base(w, taste_choice(which)); }, kTasteChoices},
};

// Null where there is no method of that name.
inline const MethodEntry* find_method(std::string_view name) {
  for (const MethodEntry& entry : kMethods)
    if (name == entry.name) return &entry;
  return nullptr;
}

}  // namespace mwuf
