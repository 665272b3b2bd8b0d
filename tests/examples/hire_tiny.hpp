// A world and recipes small enough for tests.
#pragma once

#include "hire/learn.hpp"
#include "hire/task.hpp"

namespace hire_tiny {

inline hire::Recipe shrink(hire::Recipe recipe) {
  recipe.width = 4;
  recipe.heads = 2;
  recipe.blocks = 2;
  recipe.users = 6;
  recipe.items = 8;
  recipe.most_queries = recipe.most_queries > 0 ? 4 : 0;
  recipe.batch = 3;
  recipe.steps = 14;
  recipe.contexts_in_epoch = recipe.contexts_in_epoch > 0 ? 12 : 0;
  recipe.least_entities = recipe.affinity_entities = 0;
  if (recipe.episodes > 0) recipe.episodes = 2;
  return recipe;
}
inline hire::Recipe best() { return shrink(hire::best_recipe()); }
// The published run shows fixed columns of 32 items, so that size stays.
inline hire::Recipe paper() {
  hire::Recipe recipe = shrink(hire::paper_recipe());
  recipe.items = 32;
  return recipe;
}

// With years of the items, as MovieLens has them: scoring may read them.
inline hire::Task task() {
  hire::Task task = hire::generated_task({.users = 90, .items = 60, .ratings = 2000, .seed = 5});
  for (std::int32_t i = 0; i < task.data.items.size(); ++i) task.data.items.years.push_back(1950 + i * 37 % 60);
  return task;
}

// A recommender with what it trains on. Stays where it is.
struct Run {
  hire::Task task = hire_tiny::task();
  std::vector<thaw::Rating> known = task.split.train_and_validation();
  hire::Recipe recipe;
  hire::Lessons lessons;
  hire::Recommender model;

  explicit Run(const hire::Recipe& r, int threads = 1)
      : recipe(r), lessons(task.data, known, recipe), model(hire::make_recommender(task.data, known, recipe, threads)) {
    model.start = lessons.start();
  }
  double step() {
    lessons.pack(model.trainer->steps(), *model.packer);
    return model.trainer->step(*model.packer);
  }
  hire::Learned learn(const hire::LearnOptions& options) {
    return hire::learn(
        *model.trainer, *model.packer,
        [this](thaw::Index step, hire::ContextPacker& packer) { lessons.pack(step, packer); }, lessons.loss_divisor(),
        options);
  }
  std::unique_ptr<hire::Stage> stage() const { return hire::Stage::make(task.data, known, task.split.test[0], recipe); }
  std::vector<thaw::Query> queries() const {
    const thaw::Scenario& scenario = task.split.test[0];
    const std::vector<std::uint8_t> visible(scenario.hidden.size(), 0);
    return thaw::choose_queries(scenario.hidden, visible, thaw::leak_free_protocol(), 1);
  }
};

// All predictions of all queries, in order.
inline std::vector<float> predictions(const std::vector<thaw::UserScores>& scores) {
  std::vector<float> all;
  for (const auto& s : scores) all.insert(all.end(), s.predictions.begin(), s.predictions.end());
  return all;
}
// All weights, in order.
inline std::vector<float> weights(hire::Trainer& trainer) {
  std::vector<float> all;
  auto& parameters = trainer.parameters();
  for (int i = 0; i < parameters.count(); ++i) {
    const auto& value = parameters.slot(i).value;
    all.insert(all.end(), value.data, value.data + value.size());
  }
  return all;
}

// Equal bit for bit; zeros of both signs and NaNs are told apart.
inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size() || a.empty()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i])) return false;
  return true;
}

}  // namespace hire_tiny
