// Whole trainers over several processes beside one process: the model within a stated bound, equal bits in every rank
// and from run to run, and checkpoints that any number of processes go on from.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "hire_tiny.hpp"
#include "mwuf/stream_trainer.hpp"
#include "tests/distributed/processes/world.hpp"
#include "tests/distributed/thread_ranks.hpp"
#include "tests/distributed/two_towers.hpp"

using namespace distributed_test;
using processes_test::world;

namespace {

thaw::CommunicatorRef ranks() { return thaw::CommunicatorRef(world()); }

template <class R>
bool same_everywhere(const std::vector<R>& weights) {
  const auto hash = thaw::hash_bytes(weights.data(), static_cast<Index>(weights.size() * sizeof(R)));
  return thaw::require_same_hash(ranks(), "weights", hash).ok();
}
std::vector<double> widened(const std::vector<float>& numbers) { return {numbers.begin(), numbers.end()}; }

// A path that every rank knows and no other test uses; the first rank removes what is there.
struct SharedFile {
  std::string path;
  explicit SharedFile(const char* name) {
    char folder[256] = {0};
    const char* wanted = std::getenv("TMPDIR");
    std::snprintf(folder, sizeof folder, "%s/thaw_%d_", wanted != nullptr ? wanted : "/tmp",
                  static_cast<int>(::getpid()));
    ranks().need(ranks().broadcast(folder, sizeof folder, 0));
    path = std::string(folder) + name;
  }
  ~SharedFile() {
    ranks().need(ranks().barrier());
    if (ranks().is_first()) std::filesystem::remove(path);
  }
};

using Stream = mwuf::StreamTrainer<mwuf::DeepFm<thaw::Spec>>;
Stream stream_trainer(const thaw::CommunicatorRef& who) {
  mwuf::ClickStreamOptions stream;
  stream.items = 500, stream.users = 300, stream.seed = 7;
  mwuf::StreamTrainerOptions options;
  options.base.width = 4;
  options.base.hidden[0] = 8, options.base.hidden[1] = 0;
  options.batch = 65;  // shares differ
  options.rate = 1e-2;
  return Stream(stream, options, who);
}
std::vector<float> stream_weights(Stream& trainer) {
  std::vector<float> all;
  for (int i = 0; i < trainer.parameters().count(); ++i)
    for (const float x : trainer.parameters().slot(i).value) all.push_back(x);
  return all;
}
std::vector<double> stream_losses(Stream& trainer, int steps) {
  std::vector<double> losses;
  for (int s = 0; s < steps; ++s) losses.push_back(trainer.step());
  return losses;
}

hire::Recipe recipe_of(hire::Recipe recipe, double dropout) {
  recipe.batch = 5;
  recipe.steps = 50;
  recipe.dropout = dropout;
  recipe.contexts_in_epoch = recipe.contexts_in_epoch > 0 ? 20 : 0;
  return recipe;
}

// One recommender that the ranks, or this process alone, train.
struct Training {
  hire::Task task = hire_tiny::task();
  std::vector<thaw::Rating> known = task.split.train_and_validation();
  hire::Recipe recipe;
  hire::Lessons lessons;
  hire::Recommender model;
  hire::LearnOptions options;
  std::FILE* sink = std::tmpfile();

  Training(const hire::Recipe& r, const thaw::CommunicatorRef& who)
      : recipe(r), lessons(task.data, known, recipe), model(hire::make_recommender(task.data, known, recipe, 1, who)) {
    options.checkpoint_every = 1000;
    options.identity = hire::identity_of(task.data, known, recipe);
    options.stream = sink;
    model.start = lessons.start();
  }
  ~Training() { std::fclose(sink); }
  hire::Learned learn() {
    return hire::learn(
        *model.trainer, *model.packer,
        [this](Index step, hire::ContextPacker& packer) { lessons.pack(step, packer, model.trainer->ranks()); },
        lessons.loss_divisor(), options);
  }
  std::vector<float> weights() { return hire_tiny::weights(*model.trainer); }
  // All but the biases of attention keys. These add the same to every score of a query and so nothing to a softmax:
  // their gradient is rounding alone, and what an optimiser that rescales makes of it is noise.
  std::vector<double> weights_that_count() {
    std::vector<double> all;
    auto& parameters = model.trainer->parameters();
    for (int i = 0; i < parameters.count(); ++i)
      if (!std::string_view(parameters.slot(i).path.text).ends_with("key.bias"))
        for (const float x : parameters.slot(i).value) all.push_back(static_cast<double>(x));
    return all;
  }
  std::vector<double> predictions() {
    const thaw::Scenario& scenario = task.split.test[0];
    const std::vector<std::uint8_t> visible(scenario.hidden.size(), 0);
    const auto stage = hire::Stage::make(task.data, known, scenario, recipe);
    const auto queries = thaw::choose_queries(scenario.hidden, visible, thaw::leak_free_protocol(), 1);
    return widened(hire_tiny::predictions(hire::score_queries(*stage, queries, model)));
  }
};

}  // namespace

TEST_CASE("tables and layers: one process within the bound, and the bits of ranks that are threads") {
  const std::vector<double> own = trained_weights<double>(ranks(), 50), floats = trained_weights<float>(ranks(), 50);
  const double off = difference(trained_weights<double>({}, 50), own);
  const double off_floats = difference(trained_weights<float>({}, 50), floats);
  if (ranks().is_first()) MESSAGE("50 steps, off by ", off, " in double, ", off_floats, " in float");
  CHECK(off < kDoubleBound);
  CHECK(off_floats < kFloatBound);
  CHECK(same_everywhere(own));
  CHECK(same_everywhere(floats));
  CHECK(floats == trained_weights<float>(ranks(), 50));
  std::vector<double> threads;
  on_ranks(world().size(), [&](thaw::CommunicatorRef who) {
    const std::vector<double> trained = trained_weights<float>(who, 50);
    if (who.is_first()) threads = trained;
  });
  CHECK(floats == threads);
}

TEST_CASE("stream of clicks: one process within the bound, equal bits from run to run") {
  Stream alone = stream_trainer({}), together = stream_trainer(ranks()), again = stream_trainer(ranks());
  const std::vector<double> there = stream_losses(alone, 50), here = stream_losses(together, 50);
  const double off = difference(widened(stream_weights(alone)), widened(stream_weights(together)));
  if (ranks().is_first()) MESSAGE("50 steps, off by ", off, "; loss ", here[49], ", alone ", there[49]);
  CHECK(off < kTrainerBound);
  for (std::size_t s = 0; s < 50; ++s) CHECK(here[s] == doctest::Approx(there[s]).epsilon(1e-5));
  CHECK(same_everywhere(stream_weights(together)));
  CHECK(stream_losses(again, 50) == here);
  CHECK(again.fingerprint() == together.fingerprint());
  CHECK(alone.rows() == together.rows());
  CHECK(together.bytes_sent() > 0);
  CHECK(alone.bytes_sent() == 0);
}

TEST_CASE("stream of clicks: a checkpoint of the first rank is gone on from by all, and by one process") {
  const SharedFile file("stream");
  Stream whole = stream_trainer(ranks()), first = stream_trainer(ranks()), second = stream_trainer(ranks());
  stream_losses(whole, 30);
  stream_losses(first, 12);
  if (ranks().is_first()) CHECK(first.save(file.path).ok());
  ranks().need(ranks().barrier());
  if (ranks().is_first()) CHECK(second.load(file.path).ok());
  CHECK(second.follow_first_rank().ok());
  stream_losses(second, 18);
  CHECK(second.fingerprint() == whole.fingerprint());
  Stream alone = stream_trainer({});
  CHECK(alone.load(file.path).ok());
  stream_losses(alone, 18);
  CHECK(difference(widened(stream_weights(alone)), widened(stream_weights(whole))) < kTrainerBound);
  // One rank would like to end: all know after the same step.
  second.learn(second.make(), /*stop*/ ranks().rank() == 1);
  CHECK(second.stopped());
  second.learn(second.make());
  CHECK_FALSE(second.stopped());
}

TEST_CASE("contexts: one process within the bound, equal bits from run to run, dropout and all") {
  for (const hire::Recipe& kind : {hire_tiny::best(), hire_tiny::paper()}) {
    // Contexts are counted from 0 in every rank, so that dropout is another draw than in one process.
    Training alone(recipe_of(kind, 0), {}), together(recipe_of(kind, 0), ranks());
    const hire::Learned there = alone.learn(), here = together.learn();
    CHECK(here.ending == hire::Ending::complete);
    const double off = difference(alone.weights_that_count(), together.weights_that_count());
    const double predictions = difference(alone.predictions(), together.predictions());
    if (ranks().is_first()) MESSAGE("50 steps, weights off by ", off, ", predictions by ", predictions);
    CHECK(off < kTrainerBound);
    CHECK(predictions < kTrainerBound);
    CHECK(here.losses.size() == there.losses.size());
    for (std::size_t s = 0; s < 50; ++s)
      CHECK(here.losses[s] == doctest::Approx(there.losses[s]).epsilon(kTrainerBound));
    Training first(recipe_of(kind, 0.1), ranks()), second(recipe_of(kind, 0.1), ranks());
    CHECK(first.learn().losses == second.learn().losses);
    CHECK(hire_tiny::same_bits(first.weights(), second.weights()));
    CHECK(same_everywhere(first.weights()));
    CHECK_FALSE(hire_tiny::same_bits(first.weights(), together.weights()));
  }
}

TEST_CASE("contexts: only the first rank writes and reads the checkpoint, and all go on from it") {
  const SharedFile file("contexts");
  Training whole(recipe_of(hire_tiny::best(), 0.1), ranks());
  whole.options.checkpoint = ranks().is_first() ? file.path : "/nowhere/to/be/written";
  whole.options.checkpoint_every = 20;
  const hire::Learned through = whole.learn();
  CHECK(through.ending == hire::Ending::complete);
  CHECK(through.checkpoint_at == (ranks().is_first() ? 50 : 0));
  // The run up to step 20, gone on with.
  Training start(recipe_of(hire_tiny::best(), 0.1), ranks());
  std::vector<double> losses;
  for (int s = 0; s < 20; ++s) {
    start.lessons.pack(s, *start.model.packer, ranks());
    losses.push_back(start.model.trainer->step(*start.model.packer) / start.lessons.loss_divisor());
  }
  if (ranks().is_first())
    CHECK(hire::save_checkpoint(file.path, *start.model.trainer, losses, start.options.identity).ok());
  ranks().need(ranks().barrier());
  Training rest(recipe_of(hire_tiny::best(), 0.1), ranks());
  rest.options = whole.options;
  rest.options.stream = rest.sink;
  rest.options.resume = true;
  CHECK(rest.learn().ending == hire::Ending::complete);
  CHECK(hire_tiny::same_bits(rest.weights(), whole.weights()));
}

TEST_CASE("contexts: ranks that were started for another run stop before they train") {
  hire::Recipe recipe = recipe_of(hire_tiny::best(), 0.1);
  if (ranks().rank() == 1) recipe.rate = 0.5;
  Training training(recipe, ranks());
  const hire::Learned learned = training.learn();
  CHECK(learned.ending == hire::Ending::failed);
  CHECK(learned.losses.empty());
  CHECK(std::string(learned.fault.text).find("data or settings") == 0);
  CHECK(training.model.trainer->steps() == 0);
}
