// ContextSource: prediction contexts of a rating graph, drawn and shown as a recipe says.
//
//   hire::ContextSource source(data, graph, recipe, pool);
//   source.draw(target, queries, rng, context);        // by recipe.sampler
//   source.show(context, rng, cells);                  // by recipe.support, for contexts whose cells are all known
#pragma once

#include "hire/recipe.hpp"
#include "thaw/data/context_cells.hpp"
#include "thaw/data/context_sampler.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/graph/attribute_profiles.hpp"

namespace hire {

inline std::vector<thaw::AttributeView> views_of(const thaw::Entities& side) {
  std::vector<thaw::AttributeView> views;
  for (const auto& a : side.attributes) views.push_back({a.offsets, a.ids, a.cardinality()});
  return views;
}

class ContextSource {
 public:
  ContextSource(const thaw::Dataset& data, const thaw::RatingGraph& graph, const Recipe& recipe,
                std::span<const std::int32_t> pool = {})
      : recipe_(recipe),
        sampler_(graph, {.users = recipe.users, .items = recipe.items, .most_queries = recipe.most_queries}, pool) {
    if (recipe.sampler != Sampler::attribute_similarity) return;
    users_ = thaw::AttributeProfiles(views_of(data.users), thaw::ValueWeight::equal);
    items_ = thaw::AttributeProfiles(views_of(data.items), thaw::ValueWeight::equal);
  }
  std::int32_t most_queries() const { return sampler_.most_queries(); }

  // The overlap sampler draws among the queries, in any order of them; the others put the first of them first.
  bool draws_among_queries() const { return recipe_.sampler == Sampler::overlap; }
  void draw(std::int32_t target, std::span<const std::int32_t> queries, thaw::Philox& rng, thaw::Context& out) {
    switch (recipe_.sampler) {
      case Sampler::neighbourhood:
        return sampler_.neighbourhood(target, queries, rng, out);
      case Sampler::overlap:
        return sampler_.overlap(target, queries, rng, out);
      case Sampler::uniform:
        return sampler_.uniform(target, queries, rng, out);
      case Sampler::attribute_similarity:
        return sampler_.attribute_similarity(target, queries, users_, items_, rng, out);
    }
  }
  // Which observed cells the network may see.
  void show(const thaw::Context& context, thaw::Philox& rng, thaw::ContextCells& cells) {
    if (recipe_.support == Support::columns) return thaw::show_columns(context, thaw::kPublishedColumns, cells);
    shower_.show(context, {.fraction = recipe_.visible_share}, rng, cells);
  }

 private:
  Recipe recipe_;
  thaw::ContextSampler sampler_;
  thaw::AttributeProfiles users_, items_;
  thaw::CellShower shower_;
};

}  // namespace hire
