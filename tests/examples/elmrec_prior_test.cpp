#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>

#include "elmrec/trainer.hpp"
#include "elmrec/vectors_file.hpp"
#include "elmrec/worlds.hpp"
#include "tests/temporary_folder.hpp"

namespace {

using Ids = std::vector<std::int32_t>;

elmrec::TrainerOptions tiny_options() {
  elmrec::TrainerOptions o;
  o.model.language = {.d_model = 16, .d_kv = 8, .num_heads = 2, .d_ff = 32, .num_layers = 1, .num_decoder_layers = 1};
  o.model.graph_width = 6;
  o.model.alpha = 4;
  o.prior = true;
  o.negatives = 30;
  o.batch = 16;
  o.candidates = 5;
  o.steps = 100;
  o.warm_up = 5;
  o.beams = 10;
  return o;
}

struct World {
  thaw::ItemSequences data =
      elmrec::generate_sequences({.users = 150, .items = 60, .tastes = 6, .follows = 0.6, .taste = 0.3});
  thaw::Interactions edges = thaw::training_interactions(data).value();
  thaw::PropagationGraph graph{edges};
  elmrec::GraphFeatures features{graph, {.width = 6, .layers = 2}};
  elmrec::PlainTokenizer tokenizer{{"user", "item"}};
  elmrec::Questions test = elmrec::test_questions(data, {.negatives = 9, .most_users = 40}),
                    validation = elmrec::validation_questions(data, {.negatives = 9, .most_users = 40});
};

bool same(const elmrec::Quality& a, const elmrec::Quality& b) {
  for (int d = 0; d < 3; ++d)
    if (std::fabs(a.hits[d] - b.hits[d]) > 1e-9 || std::fabs(a.ndcg[d] - b.ndcg[d]) > 1e-9) return false;
  return a.questions == b.questions;
}

}  // namespace

TEST_CASE("fit_weights: the closed form of one number and two candidates; no better weights next to what it finds") {
  // 70 of 100 right answers have the larger number, by 1: the best weight is log(70 / 30).
  std::vector<float> x;
  for (int q = 0; q < 100; ++q)
    for (const float v : {q < 70 ? 1.0f : 0.0f, q < 70 ? 0.0f : 1.0f}) x.push_back(v);
  const std::vector<double> one = elmrec::fit_weights(x, 2, 1, 0);
  CHECK(one[0] == doctest::Approx(std::log(7.0 / 3.0)).epsilon(1e-6));
  CHECK(elmrec::fit_weights({}, 2, 3) == std::vector<double>(3, 0.0));

  thaw::Philox rng(7, 1);
  x.clear();
  for (int i = 0; i < 200 * 6 * 3; ++i) x.push_back(static_cast<float>(rng.normal()));
  const double ridge = 0.01;
  const auto value = [&](const std::vector<double>& w) {
    double sum = 0, square = 0;
    for (std::size_t q = 0; q < 200; ++q) {
      double total = 0, right = 0;
      for (std::size_t c = 0; c < 6; ++c) {
        double score = 0;
        for (std::size_t k = 0; k < 3; ++k) score += w[k] * static_cast<double>(x[(q * 6 + c) * 3 + k]);
        if (c == 0) right = score;
        total += std::exp(score);
      }
      sum += right - std::log(total);
    }
    for (const double v : w) square += v * v;
    return sum / 200 - ridge * square / 2;
  };
  const std::vector<double> w = elmrec::fit_weights(x, 6, 3, ridge);
  for (std::size_t k = 0; k < 3; ++k)
    for (const double by : {-1e-3, 1e-3}) {
      std::vector<double> moved = w;
      moved[k] += by;
      CHECK(value(moved) < value(w));
    }
}

TEST_CASE("batches of histories: states stand behind the last piece of an item, evidence belongs to candidates") {
  const elmrec::PlainTokenizer tokenizer{{"user", "item"}};
  const elmrec::PromptWriter writer(tokenizer, {}, true);
  const elmrec::PieceMap map(tokenizer, 1000, 1000, true);
  elmrec::BatchBuilder<thaw::CpuEigen> builder(map, 2);
  const Ids history{122, 4, 566}, candidates{11, 899}, follows{4, 566, 11}, answer{7};
  const auto prompt = writer.write_history(elmrec::Task::direct, history, candidates);
  CHECK(prompt.ok());
  CHECK(!writer.write_history(elmrec::Task::direct, {}, {}).ok());
  if (!prompt) return;
  const std::vector<float> evidence{1, 2, 3, 4, 5, 6};
  for (int twice = 0; twice < 2; ++twice)
    builder.add(prompt.value(), {.evidence = evidence, .answer = answer, .history = 3, .follows = follows});
  thaw::GrowingArena arena;
  thaw::CpuEigen::Context context{&arena, 1};
  const auto batch = builder.batch(context);
  // Two switch rows; 12 3; 5; 56 7; ":"; 12; 90 0.
  CHECK(batch.prompts.rows() == 22);
  CHECK(Ids(batch.items.ids, batch.items.ids + 11) == Ids{-1, -1, 122, 122, 4, 566, 566, -1, 11, 899, 899});
  CHECK(Ids(batch.states.ids, batch.states.ids + batch.states.count) == Ids{3, 4, 6, 14, 15, 17});
  CHECK(Ids(batch.follows.begin(), batch.follows.end()) == Ids{4, 566, 11, 4, 566, 11});
  CHECK(Ids(builder.ends().begin(), builder.ends().end()) == Ids{6, 17});
  CHECK(batch.evidence[6 * 3] == 0);
  CHECK(batch.evidence[8 * 3] == 1);
  CHECK(batch.evidence[10 * 3 + 2] == 6);
}

TEST_CASE("shared negatives: the softmax written out, with a row's own answer masked") {
  elmrec::SharedNegatives negatives;
  thaw::Philox rng(3, 0);
  negatives.draw(4, 6, rng);
  const auto bags = negatives.bags();
  CHECK(std::is_sorted(bags.ids, bags.ids + bags.count));
  thaw::GrowingArena arena;
  thaw::CpuEigen::Context context{&arena, 1};
  thaw::Tape<float, thaw::CpuEigen> tape(context);
  using A = thaw::Array<float, thaw::CpuEigen>;
  float table[8], hidden[4] = {0.5f, -1, 2, 0.25f};
  for (float& v : table) v = static_cast<float>(rng.normal());
  const Ids targets{bags.ids[0], bags.ids[5]};
  thaw::Scope scope(tape);
  const auto items = tape.leaf(A::view(context, table, {4, 2})), rows = tape.leaf(A::view(context, hidden, {2, 2}));
  const auto loss = negatives.loss(context, rows, thaw::gather(items, thaw::Bags{targets.data(), nullptr, 2, false}),
                                   thaw::gather(items, bags), targets);
  double expected = 0;
  for (std::size_t r = 0; r < 2; ++r) {
    const auto score = [&](std::int32_t item) {
      return static_cast<double>(hidden[2 * r] * table[2 * item] + hidden[2 * r + 1] * table[2 * item + 1]);
    };
    double sum = std::exp(score(targets[r]));
    for (int i = 0; i < 6; ++i)
      if (bags.ids[i] != targets[r]) sum += std::exp(score(bags.ids[i]));
    expected += (std::log(sum) - score(targets[r])) / 2;
  }
  CHECK(static_cast<double>(loss.item()) == doctest::Approx(expected).epsilon(1e-5));
}

TEST_CASE(
    "prior: the search with priors alone is the exact ranking, candidates do not change a state, reruns are equal") {
  World world;
  elmrec::Trainer trainer(world.data, world.graph, world.features.all(), world.tokenizer, tiny_options()),
      other(world.data, world.graph, world.features.all(), world.tokenizer, tiny_options());
  double first = 0, last = 0;
  bool equal = true;
  for (int s = 0; s < 40; ++s) {
    const double loss = trainer.step();
    equal = equal && loss == other.step();
    if (s % 20 == 10) trainer.quick(world.test, elmrec::Task::direct), trainer.sequential(world.test);
    first += s < 8 ? loss : 0;
    last += s >= 32 ? loss : 0;
  }
  CHECK(equal);
  CHECK(last < first);
  elmrec::Mix state;
  state.sign[0] = 1;
  // Ten beams reach all ten candidates of a direct question and the ten best of all 60 items.
  CHECK(same(trainer.direct(world.test, &state), trainer.quick(world.test, elmrec::Task::direct)));
  CHECK(same(trainer.sequential(world.test, &state), trainer.quick(world.test, elmrec::Task::sequential)));
  // Weights for the parts are fitted; the mixture of all of them is likelier than chance and the search accepts it.
  const elmrec::Mix mix = trainer.fit(world.validation, elmrec::Task::direct);
  CHECK(mix.text >= 0);
  CHECK(trainer.direct(world.test, &mix).hits[2] == doctest::Approx(1));
  // Hidden items are never answers.
  Ids all(static_cast<std::size_t>(world.data.items));
  for (std::int32_t i = 0; i < world.data.items; ++i) all[static_cast<std::size_t>(i)] = i;
  all.pop_back();
  trainer.hide(all);
  std::int64_t of_the_last = 0;
  for (const elmrec::Question& q : world.test.list) of_the_last += q.answer == world.data.items - 1 ? 1 : 0;
  CHECK(trainer.sequential(world.test, &state).hits[0] ==
        doctest::Approx(static_cast<double>(of_the_last) / static_cast<double>(world.test.list.size())));
}

TEST_CASE("prior: a new item gets the vectors that its users give it, and no other item moves") {
  World world;
  elmrec::Trainer trainer(world.data, world.graph, world.features.all(), world.tokenizer, tiny_options());
  elmrec::ItemPrior prior = trainer.prior(), same_prior = trainer.prior();
  const Ids users{3, 8};
  trainer.place_new_item(prior, 5, users);
  std::vector<float> expected(6);
  elmrec::GraphFeatures step(world.graph, {.width = 6, .layers = 1, .without_own = true},
                             {world.features.all().begin(), world.features.all().end()});
  step.new_item(users, expected);
  for (std::size_t k = 0; k < 6; ++k) CHECK(prior.given(5)[k] == expected[k]);
  double norm = 0, before = 0;
  for (std::size_t k = 0; k < 16; ++k) {
    norm += static_cast<double>(prior.key(5)[k] * prior.key(5)[k]);
    before += std::fabs(static_cast<double>(prior.key(5)[k] - same_prior.key(5)[k]));
    CHECK(prior.key(6)[k] == same_prior.key(6)[k]);
  }
  CHECK(norm > 0);
  CHECK(before > 0);
}

TEST_CASE("position bias: none between the same orders, some between others where numbers were learnt") {
  World world;
  elmrec::TrainerOptions options = tiny_options();
  elmrec::Trainer trainer(world.data, world.graph, world.features.all(), world.tokenizer, options);
  for (int s = 0; s < 5; ++s) trainer.step();
  const elmrec::PositionBias bias = trainer.position_bias(world.test);
  MESSAGE("a candidate's log-probability moves by " << bias.moved << ", another one first for " << bias.other_first);
  CHECK(bias.moved > 0);
  CHECK(bias.other_first >= 0);
  CHECK(bias.other_first <= 1);
  CHECK(trainer.spelled_scores(world.test, elmrec::Task::direct, 0) ==
        trainer.spelled_scores(world.test, elmrec::Task::direct, 0));
  // Log-probabilities of all candidates are shares of one.
  const std::vector<float> scores = trainer.spelled_scores(world.test, elmrec::Task::direct, 1);
  double sum = 0;
  for (std::size_t c = 0; c < 10; ++c) sum += std::exp(static_cast<double>(scores[c]));
  CHECK(sum == doctest::Approx(1).epsilon(1e-4));
}

TEST_CASE("vectors file: what was written; other sizes and what was trained on something else are refused") {
  const thaw_test::TemporaryFolder folder;
  const std::string path = folder / "vectors.safetensors";
  const std::vector<float> vectors{1, 2, 3, 4, 5, 6};
  CHECK(elmrec::write_vectors(path, vectors, 2, "Beauty, seed 1").ok());
  const auto read = elmrec::read_vectors(path, 6, 2, "Beauty, seed 1");
  CHECK(read.ok());
  if (read) CHECK(read.value() == vectors);
  CHECK(!elmrec::read_vectors(path, 8, 2, "Beauty, seed 1").ok());
  CHECK(!elmrec::read_vectors(folder / "none", 6, 2, "Beauty, seed 1").ok());
  const auto other = elmrec::read_vectors(path, 6, 2, "Beauty with new users and items, seed 1");
  CHECK(!other.ok());
  if (!other)
    CHECK(std::string(other.fault().text).find("vectors of Beauty, seed 1, this run is") != std::string::npos);
}
