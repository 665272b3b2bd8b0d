// Recipes: every switch of how HIRE is trained and fed, and the two named variants.
//
//   hire::Recipe recipe = hire::paper_recipe();     // the published run
//   hire::Recipe recipe = hire::best_recipe();      // what we would ship
#pragma once

#include <cstdint>

#include "hire/model.hpp"

namespace hire {

enum class Sampler : std::uint8_t { neighbourhood, overlap, uniform, attribute_similarity };
enum class Support : std::uint8_t { columns, cells };          // what is visible: fixed columns, or drawn cells
enum class LossCells : std::uint8_t { all_observed, hidden };  // published code, paper's text
enum class Anneal : std::uint8_t { constant, flat_then_cosine };
enum class Optimizer : std::uint8_t { lamb, adam };

struct Recipe {
  // Network.
  Index width = 16;
  Index heads = 8;
  int blocks = 3;
  Index expansion = 4;
  Order order = Order::items_first;
  Divisor divisor = Divisor::full_width;
  bool on_biases = false;  // predict what is left over after user and item biases, and read them as statistics
  // Attribute values that fewer known users or items have are left out: of the network's input, of the affinities.
  std::int32_t least_entities = 0;
  std::int32_t affinity_entities = 10;
  // Contexts.
  std::int32_t users = 32;
  std::int32_t items = 32;
  std::int32_t most_queries = 0;  // query items in one context; 0: all but one
  Sampler sampler = Sampler::overlap;
  Sampler published_sampler = Sampler::overlap;  // of contexts in the published form, where `sampler` draws others
  Support support = Support::columns;
  double visible_share = 0.1;
  LossCells loss_cells = LossCells::all_observed;
  // Optimisation.
  Optimizer optimizer = Optimizer::lamb;
  int batch = 8;  // contexts in a step
  Index steps = 640;
  int contexts_in_epoch = 1024;  // the same contexts come again in every epoch; 0: always new ones
  double rate = 1e-3;
  Anneal anneal = Anneal::constant;
  double dropout = 0.1;
  double decay = 0;
  double clip_value = 0;  // 0: off
  double clip_norm = 0;
  bool lookahead_at_first_sync = true;
  int episodes = 0;  // splits of the training ratings that rehearse the test; 0: none, learn as published
  std::uint64_t seed = 200;
};

// The published run: released code with its crashes repaired (arXiv 2403.17740; docs/hire.md says what was repaired).
inline Recipe paper_recipe() { return {}; }

// What we would ship: learns on rehearsals of the test and on top of the biases.
inline Recipe best_recipe() {
  Recipe r;
  r.width = 8;
  r.heads = 4;
  r.blocks = 2;
  r.divisor = Divisor::head_width;
  r.on_biases = true;
  r.least_entities = 100;
  r.users = 16;
  r.items = 32;
  r.most_queries = 20;
  r.sampler = Sampler::neighbourhood;
  r.published_sampler = Sampler::attribute_similarity;  // overlap would look at who rated the hidden items
  r.support = Support::cells;
  r.loss_cells = LossCells::hidden;
  r.optimizer = Optimizer::adam;
  r.batch = 16;
  r.steps = 60;  // where errors on held-out rehearsals of new items stop falling
  r.contexts_in_epoch = 0;
  r.rate = 5e-4;
  r.anneal = Anneal::flat_then_cosine;
  r.decay = 0.05;
  r.clip_norm = 1;
  r.lookahead_at_first_sync = false;
  r.episodes = 4;
  return r;
}

}  // namespace hire
