// Whole runs of HIRE on a tiny world: checkpoints, model files, threads, devices, and that nothing hidden is read.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "hire/model_file.hpp"
#include "hire_tiny.hpp"
#include "tests/cuda/host_session.hpp"
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

TEST_CASE("learning on rehearsals beats the item mean, and beats its own start [slow]") {
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

namespace {

// Steps of a device on the host's loops, over memory that the host may not read: --device cuda without a GPU.
class GridTraining : public hire::DeviceTraining {
 public:
  explicit GridTraining(const Run& run)
      : training_(hire::plan_for(run.task.data, run.model.packer->levels(), run.recipe), run.recipe, session_.context) {
  }
  double step(const hire::Lesson& lesson, bool stop) override { return training_.step(lesson, stop); }
  bool stopped() const override { return training_.stopped(); }
  void send(std::span<const hire::HostBlock> blocks, hire::Index steps) override { training_.send(blocks, steps); }
  void fetch(std::span<const hire::HostBlock> blocks) override { training_.fetch(blocks); }

 private:
  device_checks::HostSession session_;
  hire::TrainingOn<thaw::HostGrid> training_;
};

// Kernels run thread by thread here, so everything is small; the slow weights are in use after the sixth step.
hire::Recipe smallest(hire::Optimizer optimizer) {
  hire::Recipe recipe = hire_tiny::best();
  recipe.blocks = 1, recipe.users = recipe.items = 4, recipe.most_queries = 2, recipe.batch = 2, recipe.steps = 9;
  recipe.episodes = 1;
  recipe.optimizer = optimizer;
  return recipe;
}
void use_grid(Run& run) { run.model.trainer->use(std::make_unique<GridTraining>(run)); }

// Weights and the optimiser's state.
std::vector<float> state(hire::Trainer& trainer) {
  std::vector<float> all = weights(trainer);
  trainer.each_state([&](const char*, int, auto& array) { all.insert(all.end(), array.begin(), array.end()); });
  return all;
}
template <class R>
double difference(const std::vector<R>& a, const std::vector<R>& b) {
  if (a.size() != b.size() || a.empty()) return 1e30;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = (std::max)(worst, std::abs(double(a[i]) / double(b[i]) - 1));
  return worst;
}

}  // namespace

TEST_CASE("--device: without CUDA in the program, the answer names the preset to build") {
  const auto found = hire::find_cuda({});
  CHECK_FALSE(found.ok());
  if (!found) CHECK(std::string(found.fault().text).find("cmake --preset cuda") != std::string::npos);
}

TEST_CASE("--device: a run on a device follows the host's, and the host scores with what it learnt") {
  std::FILE* sink = std::tmpfile();
  const hire::Recipe recipe = smallest(hire::Optimizer::adam);
  Run host(recipe), device(recipe);
  const std::vector<float> start = weights(*device.model.trainer);
  use_grid(device);
  const hire::Learned expected = host.learn(quiet(host, "", sink)), got = device.learn(quiet(device, "", sink));
  CHECK(got.ending == hire::Ending::complete);
  CHECK(difference(got.losses, expected.losses) < 1e-4);
  CHECK_FALSE(same_bits(weights(*device.model.trainer), start));
  std::vector<float> ours, theirs;
  device.model.trainer->predict(*device.model.packer, ours);
  host.model.trainer->predict(*host.model.packer, theirs);
  CHECK(difference(ours, theirs) < 1e-4);
  std::fclose(sink);
}

TEST_CASE("--device: a checkpoint of one device is the same on the other, bit for bit, and the run goes on there") {
  const hire::Recipe recipe = smallest(hire::Optimizer::lamb);
  Run whole(recipe);
  std::vector<double> through;
  for (int s = 0; s < recipe.steps; ++s) through.push_back(whole.step());
  for (const bool from_grid : {true, false}) {
    const Scratch file("device.checkpoint");
    Run first(recipe), second(recipe);
    use_grid(from_grid ? first : second);
    std::vector<double> losses, read;
    for (int s = 0; s < 7; ++s) losses.push_back(first.step());
    const hire::Identity identity = hire::identity_of(first.task.data, first.known, recipe);
    CHECK(hire::save_checkpoint(file.path, *first.model.trainer, losses, identity).ok());
    CHECK(hire::load_checkpoint(file.path, *second.model.trainer, read, identity).ok());
    CHECK(second.model.trainer->steps() == 7);
    CHECK(same_bits(state(*second.model.trainer), state(*first.model.trainer)));
    for (int s = 7; s < recipe.steps; ++s) losses.push_back(second.step());
    CHECK(difference(losses, through) < 1e-4);
  }
}

TEST_CASE("--device: what a device is sent it gives back, bit for bit") {
  Run run(smallest(hire::Optimizer::lamb));
  for (int s = 0; s < 7; ++s) run.step();
  std::vector<float> sent = state(*run.model.trainer), fetched(sent.size(), 0.0F);
  std::vector<hire::HostBlock> from, to;
  std::size_t at = 0;
  const auto add = [&](const auto& array) {
    from.push_back({sent.data() + at, array.size()});
    to.push_back({fetched.data() + at, array.size()});
    at += static_cast<std::size_t>(array.size());
  };
  auto& parameters = run.model.trainer->parameters();
  for (int i = 0; i < parameters.count(); ++i) add(parameters.slot(i).value);
  run.model.trainer->each_state([&](const char*, int, auto& array) { add(array); });
  GridTraining grid(run);
  grid.send(from, 7);
  grid.fetch(to);
  CHECK(same_bits(fetched, sent));
}
