// Whole runs of HIRE on a tiny world: checkpoints, model files, threads, and that nothing hidden is read.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "hire/model_file.hpp"
#include "hire_tiny.hpp"
#include "thaw/baselines/item_mean.hpp"

namespace {

using hire_tiny::predictions;
using hire_tiny::Run;
using hire_tiny::same_bits;
using hire_tiny::weights;

std::string scratch(const char* name) {
  const char* folder = std::getenv("TMPDIR");
  return std::string(folder != nullptr ? folder : "/tmp") + "/thaw_hire_" + std::to_string(::getpid()) + "_" + name;
}
struct Scratch {
  std::string path;
  explicit Scratch(const char* name) : path(scratch(name)) {}
  ~Scratch() { std::remove(path.c_str()); }
};

hire::LearnOptions quiet(const Run& run, const std::string& checkpoint, std::FILE* sink) {
  hire::LearnOptions options;
  options.checkpoint = checkpoint;
  options.checkpoint_every = 1000;
  options.identity = hire::identity_of(run.task.data, run.known, run.recipe);
  options.stream = sink;
  return options;
}

// A recipe whose every field counts: aggregates are initialisable from as many values as they have fields.
struct Anything {
  template <class T>
  operator T() const;
};
template <class T, class... Args>
constexpr int field_count() {
  if constexpr (requires { T{Args{}..., Anything{}}; })
    return field_count<T, Args..., Anything>();
  else
    return static_cast<int>(sizeof...(Args));
}

}  // namespace

TEST_CASE("every field of a recipe is part of a run's identity") {
  int visited = 0;
  hire::Recipe recipe;
  hire::each_setting(recipe, [&](const char*, auto&) { ++visited; });
  CHECK(visited == field_count<hire::Recipe>());
}

TEST_CASE("a resumed run ends where an uninterrupted one ends, bit for bit") {
  std::FILE* sink = std::tmpfile();
  for (const hire::Recipe& recipe : {hire_tiny::best(), hire_tiny::paper()}) {
    const Scratch file("resume.checkpoint");
    Run whole(recipe);
    hire::LearnOptions options = quiet(whole, "", sink);
    const hire::Learned through = whole.learn(options);
    CHECK(through.ending == hire::Ending::complete);
    CHECK(through.losses.size() == static_cast<std::size_t>(recipe.steps));

    // Stop after the ninth step: past one sync of the slow weights, in the middle to the next.
    Run first(recipe);
    std::vector<double> losses;
    for (int s = 0; s < 9; ++s) losses.push_back(first.step() / first.lessons.loss_divisor());
    options.checkpoint = file.path;
    CHECK(hire::save_checkpoint(file.path, *first.model.trainer, losses, options.identity).ok());

    Run second(recipe);
    options.resume = true;
    const hire::Learned rest = second.learn(options);
    CHECK(rest.resumed_at == 9);
    CHECK(rest.losses == through.losses);
    CHECK(same_bits(weights(*second.model.trainer), weights(*whole.model.trainer)));
    // Without the optimiser's state the end is another one, so the comparison can fail.
    CHECK_FALSE(same_bits(weights(*first.model.trainer), weights(*whole.model.trainer)));
  }
  std::fclose(sink);
}

TEST_CASE("a checkpoint of another run is refused, with what differs") {
  const Scratch file("other.checkpoint");
  Run run(hire_tiny::best());
  const hire::Identity identity = hire::identity_of(run.task.data, run.known, run.recipe);
  CHECK(hire::save_checkpoint(file.path, *run.model.trainer, {}, identity).ok());
  hire::Recipe other = run.recipe;
  other.rate = 0.5;
  std::vector<double> losses;
  const auto refused =
      hire::load_checkpoint(file.path, *run.model.trainer, losses, hire::identity_of(run.task.data, run.known, other));
  CHECK_FALSE(refused.ok());
  if (refused) return;
  CHECK(std::string(refused.fault().text).find("rate=0.5 here") != std::string::npos);
  std::vector<thaw::Rating> fewer = run.known;
  fewer.pop_back();
  const auto data =
      hire::load_checkpoint(file.path, *run.model.trainer, losses, hire::identity_of(run.task.data, fewer, run.recipe));
  CHECK_FALSE(data.ok());
  if (!data) CHECK(std::string(data.fault().text).find("other data") != std::string::npos);
}

TEST_CASE("numbers that are not finite stop the run; step and tensor are named and the checkpoint stays") {
  std::FILE* sink = std::tmpfile();
  const Scratch file("finite.checkpoint");
  hire::Recipe recipe = hire_tiny::best();
  recipe.rate = 1e38;
  recipe.clip_norm = 0;
  recipe.decay = 0;
  Run run(recipe);
  hire::LearnOptions options = quiet(run, file.path, sink);
  options.checkpoint_every = 1;
  const hire::Learned learned = run.learn(options);
  CHECK(learned.ending == hire::Ending::failed);
  const std::string text = learned.fault.text;
  CHECK(text.find("step ") == 0);
  CHECK(text.find("not finite") != std::string::npos);
  if (learned.checkpoint_at > 0) CHECK(text.find("is kept in " + file.path) != std::string::npos);
  Run poisoned(hire_tiny::best());
  poisoned.model.trainer->parameters().slot(3).value.data[0] = std::nanf("");
  const std::string name = poisoned.model.trainer->parameters().slot(3).path.text;
  CHECK(hire::first_not_finite(*poisoned.model.trainer) == name);
  std::fclose(sink);
}

TEST_CASE("a model file gives the same scores in a model built from the file alone") {
  for (const hire::Recipe& recipe : {hire_tiny::best(), hire_tiny::paper()}) {
    const Scratch file("model.safetensors");
    Run run(recipe);
    for (int s = 0; s < 4; ++s) run.step();
    CHECK(hire::save_model_file(file.path, run.task.data, run.known, run.model).ok());
    const auto loaded = hire::load_model_file(file.path, 1);
    CHECK(loaded.ok());
    if (!loaded) return;
    hire::Loaded& fresh = *loaded.value();
    const auto here = hire::score_queries(*run.stage(), run.queries(), run.model);
    const auto stage = hire::Stage::make(fresh.data, fresh.data.ratings, run.task.split.test[0], fresh.recipe);
    CHECK(same_bits(predictions(hire::score_queries(*stage, run.queries(), fresh.model)), predictions(here)));
    CHECK(fresh.data.users.ids.texts() == run.task.data.users.ids.texts());
    CHECK(fresh.data.items.titles == run.task.data.items.titles);
    run.step();
    CHECK_FALSE(same_bits(predictions(hire::score_queries(*run.stage(), run.queries(), run.model)), predictions(here)));
  }
  const Scratch file("broken.safetensors");
  std::FILE* broken = std::fopen(file.path.c_str(), "wb");
  std::fputs("not a model", broken);
  std::fclose(broken);
  const auto refused = hire::load_model_file(file.path, 1);
  CHECK_FALSE(refused.ok());
  if (!refused) CHECK(std::string(refused.fault().text).find(file.path) == 0);
}

TEST_CASE("threads: the same bits for a fixed number, the same values to rounding for another") {
  std::vector<float> by_threads[3];
  for (const int threads : {1, 2, 2}) {
    Run run(hire_tiny::best(), threads);
    for (int s = 0; s < 5; ++s) run.step();
    const auto now = predictions(hire::score_queries(*run.stage(), run.queries(), run.model));
    if (threads == 2 && !by_threads[2].empty())
      CHECK(same_bits(now, by_threads[2]));
    else
      by_threads[threads] = now;
  }
  CHECK(by_threads[1].size() == by_threads[2].size());
  float largest = 0;
  for (std::size_t i = 0; i < by_threads[1].size(); ++i)
    largest = (std::max)(largest, std::abs(by_threads[1][i] - by_threads[2][i]));
  CHECK(largest < 1e-4F);
}

TEST_CASE("hidden ratings have no influence on predictions, visible ones have") {
  for (const hire::Recipe& recipe : {hire_tiny::best(), hire_tiny::paper()}) {
    Run run(recipe);
    for (int s = 0; s < 4; ++s) run.step();
    const auto queries = run.queries();
    const auto score = [&](const thaw::Scenario& scenario) {
      const auto stage = hire::Stage::make(run.task.data, run.known, scenario, recipe);
      return predictions(hire::score_queries(*stage, queries, run.model));
    };
    const auto flip = [](thaw::Rating& r) { r.value = r.value > 3 ? 1.0F : 5.0F; };
    thaw::Scenario scenario = run.task.split.test[0];
    const auto before = score(scenario);
    for (thaw::Rating& r : scenario.hidden) flip(r);
    CHECK(same_bits(score(scenario), before));
    for (thaw::Rating& r : scenario.visible) flip(r);
    CHECK_FALSE(same_bits(score(scenario), before));
  }
}

TEST_CASE("predictions lie strictly inside the network's range") {
  for (const hire::Recipe& recipe : {hire_tiny::best(), hire_tiny::paper()}) {
    Run run(recipe);
    for (int s = 0; s < 4; ++s) run.step();
    const hire::Settings& settings = run.model.trainer->parameters().values().settings;
    bool inside = true;
    for (const float p : predictions(hire::score_queries(*run.stage(), run.queries(), run.model)))
      inside = inside && static_cast<double>(p) > settings.lowest && static_cast<double>(p) < settings.highest;
    CHECK(inside);
  }
}

TEST_CASE("learning on rehearsals beats the item mean, and beats its own start") {
  hire::Recipe recipe = hire::best_recipe();
  recipe.width = 4;
  recipe.blocks = 1;
  recipe.users = 8;
  recipe.items = 16;
  recipe.most_queries = 10;
  recipe.batch = 8;
  recipe.steps = 150;
  recipe.least_entities = 0;
  recipe.episodes = 2;
  recipe.rate = 3e-3;
  const hire::Task task = hire::generated_task({.users = 400, .items = 200, .ratings = 12000, .seed = 2});
  const auto known = task.split.train_and_validation();
  hire::Lessons lessons(task.data, known, recipe);
  hire::Recommender model = hire::make_recommender(task.data, known, recipe, 1);
  model.start = lessons.start();
  const thaw::Scenario& scenario = task.split.test[0];
  const auto stage = hire::Stage::make(task.data, known, scenario, recipe);
  const std::vector<std::uint8_t> none(scenario.hidden.size(), 0);
  const auto queries = thaw::choose_queries(scenario.hidden, none, thaw::leak_free_protocol(), 1);
  const auto mae = [&] { return thaw::evaluate(hire::score_queries(*stage, queries, model)).mean("MAE"); };
  const double start = mae();
  for (thaw::Index s = 0; s < recipe.steps; ++s) {
    lessons.pack(s, *model.packer);
    model.trainer->step(*model.packer);
  }
  const double learned = mae();
  std::vector<thaw::UserScores> means;
  for (const auto& query : queries) means.push_back(thaw::score_query(query, thaw::ItemMeanPredictor(stage->visible)));
  const double item_mean = thaw::evaluate(means).mean("MAE");
  INFO("item mean ", item_mean, ", start ", start, ", learned ", learned);
  CHECK(learned < item_mean - 0.15);
  CHECK(learned < start - 0.01);
  CHECK(learned < 1.0);
}
