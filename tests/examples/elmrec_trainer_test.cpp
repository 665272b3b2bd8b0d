#include <doctest/doctest.h>

#include <set>

#include "elmrec/trainer.hpp"
#include "elmrec/worlds.hpp"

namespace {

elmrec::TrainerOptions tiny_options() {
  elmrec::TrainerOptions o;
  o.model.language = {.d_model = 16, .d_kv = 8, .num_heads = 2, .d_ff = 32, .num_layers = 1, .num_decoder_layers = 1};
  o.batch = 16;
  o.candidates = 5;
  o.steps = 100;
  o.warm_up = 5;
  o.beams = 10;
  return o;
}

struct World {
  thaw::ItemSequences data =
      elmrec::generate_sequences({.users = 120, .items = 40, .tastes = 4, .follows = 0.6, .taste = 0.3});
  thaw::Interactions edges = thaw::training_interactions(data).value();
  thaw::PropagationGraph graph{edges};
  elmrec::PlainTokenizer tokenizer{{"user", "item"}};
  elmrec::Questions test = elmrec::test_questions(data, {.negatives = 9, .most_users = 40});
};

}  // namespace

TEST_CASE("trainer: losses fall, reruns are bit-equal, questions change nothing") {
  World world;
  elmrec::Trainer trainer(world.data, world.graph, {}, world.tokenizer, tiny_options()),
      other(world.data, world.graph, {}, world.tokenizer, tiny_options());
  double first = 0, last = 0;
  bool equal = true;
  for (int s = 0; s < 60; ++s) {
    const double loss = trainer.step();
    equal = equal && loss == other.step();
    if (s % 20 == 10) other.direct(world.test), other.sequential(world.test);
    if (s < 10) first += loss;
    if (s >= 50) last += loss;
  }
  CHECK(equal);
  CHECK(last < 0.8 * first);
  const elmrec::Quality q = trainer.direct(world.test), again = trainer.direct(world.test);
  CHECK(q.questions == 40);
  CHECK(q.ndcg[2] == again.ndcg[2]);
  // Ten candidates and ten beams: the answer is always found.
  CHECK(q.hits[2] == doctest::Approx(1));
  const elmrec::Quality next = trainer.sequential(world.test);
  CHECK(next.hits[2] <= 1);
  CHECK(next.questions == 40);
}

TEST_CASE("evidence: the same whether the positive is an edge in training or not yet one") {
  const auto parsed = thaw::parse_item_sequences("1 1 2 3 4 5\n2 2 3 5 6 1\n3 4 6 1 3 2\n4 1 5 6 2 4\n", "small");
  CHECK(parsed.ok());
  if (!parsed) return;
  const thaw::ItemSequences& data = parsed.value();
  const thaw::Interactions with = thaw::training_interactions(data).value();
  const thaw::PropagationGraph graph(with);
  // User 0 has items 0, 1, 2 in training. Without the edge to item 2:
  std::vector<thaw::Rating> pairs;
  for (std::int32_t user = 0; user < 4; ++user)
    for (const std::int32_t item : data.train(user))
      if (user != 0 || item != 2) pairs.push_back({user, item, 1.0f});
  const thaw::Interactions without =
      thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(pairs, 4, 6)).value();
  const thaw::PropagationGraph smaller(without);
  const std::vector<std::int32_t> history{0, 1}, candidates{3, 2, 5};
  std::vector<float> a(9), b(9);
  elmrec::Evidence(graph).about(0, history, candidates, 2, a.data());
  elmrec::Evidence(smaller).about(0, history, candidates, -1, b.data());
  for (std::size_t i = 0; i < 9; ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-5));
  CHECK(a[3] > 0);
}

TEST_CASE("batches: evidence and rows belong to the right tokens") {
  const elmrec::PlainTokenizer tokenizer{{"user", "item"}};
  const elmrec::PromptWriter writer(tokenizer);
  const elmrec::PieceMap map(tokenizer, 100, 100, false);
  elmrec::BatchBuilder<thaw::CpuEigen> builder(map, 2);
  const std::vector<std::int32_t> items{11, 4};
  const auto prompt = writer.write(elmrec::Task::direct, elmrec::bare_template(elmrec::Task::direct), 6, items);
  CHECK(prompt.ok());
  if (!prompt) return;
  const std::vector<float> evidence{1, 2, 3, 4, 5, 6};
  const std::vector<std::int32_t> answer{7, 8};
  builder.add(prompt.value(), {.evidence = evidence, .answer = answer, .nodes = true, .order = true, .users = 100});
  thaw::GrowingArena arena;
  thaw::CpuEigen::Context context{&arena, 1};
  const auto batch = builder.batch(context);
  // Two switch rows; ▁user _ 7; ▁item _ 12; ▁item _ 5.
  CHECK(batch.prompts.rows() == 11);
  const std::vector<std::int32_t> nodes(batch.nodes.ids, batch.nodes.ids + 11),
      order(batch.order.ids, batch.order.ids + 11), switches(batch.switches.ids, batch.switches.ids + 11),
      before(batch.before.ids, batch.before.ids + 3), next(batch.next, batch.next + 3);
  CHECK(nodes == std::vector<std::int32_t>{-1, -1, 6, 6, 6, 111, 111, 111, 104, 104, 104});
  CHECK(order == std::vector<std::int32_t>{-1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 2});
  CHECK(switches == std::vector<std::int32_t>{4, 5, -1, -1, -1, -1, -1, -1, -1, -1, -1});
  CHECK(before == std::vector<std::int32_t>{0, 7, 8});
  CHECK(next == std::vector<std::int32_t>{7, 8, 1});
  CHECK(batch.evidence[4 * 3] == 0);
  CHECK(batch.evidence[5 * 3 + 1] == 2);
  CHECK(batch.evidence[10 * 3 + 2] == 6);
}
