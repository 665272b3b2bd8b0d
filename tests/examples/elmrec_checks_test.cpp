// What an implementation of ELMRec must pass as a whole: it knows items by their vectors and not by their rows, and can
// learn a few examples by heart.
#include <doctest/doctest.h>

#include <cmath>

#include "elmrec/trainer.hpp"
#include "elmrec/worlds.hpp"

namespace {

using Ids = std::vector<std::int32_t>;
using A = thaw::Array<float, thaw::CpuEigen>;

// 32 users, each with a first item of her own, then a second of her own; the rest is validation and test.
thaw::ItemSequences pairs() {
  thaw::ItemSequences data;
  data.name = "pairs";
  data.items = 66;
  data.lists.offsets.assign(1, 0);
  for (std::int32_t user = 0; user < 32; ++user) {
    for (const std::int32_t item : {user, 32 + (7 * user + 3) % 32, 64, 65}) data.lists.ids.push_back(item);
    data.lists.offsets.push_back(static_cast<std::int64_t>(data.lists.ids.size()));
  }
  return data;
}

// The encoder's output for a direct prompt of user 2 with these candidates, whose numbers in the text are `number`.
std::vector<float> read(const elmrec::ElmRec<thaw::Spec>& plan, const Ids& number, const Ids& candidates,
                        const std::vector<float>& vectors, const thaw::PropagationGraph& graph,
                        const std::vector<float>& table) {
  const elmrec::PlainTokenizer tokenizer{{"user", "item"}};
  const elmrec::PromptWriter writer(tokenizer, number);
  const elmrec::PieceMap map(tokenizer, 40, 40, false);
  elmrec::BatchBuilder<thaw::CpuEigen> builder(map, 3);
  const auto prompt = writer.write(elmrec::Task::direct, elmrec::bare_template(elmrec::Task::direct), 2, candidates);
  CHECK(prompt.ok());
  if (!prompt) return {};
  builder.add(prompt.value(), {.nodes = true, .users = static_cast<std::int32_t>(graph.users())});
  thaw::GrowingArena weights, arena;
  thaw::CpuEigen::Context memory{&weights, 1}, context{&arena, 1};
  thaw::Parameters<elmrec::ElmRec<thaw::Spec>, float, thaw::CpuEigen> parameters(plan, memory, 5);
  auto net = thaw::map_unnamed<A>(parameters.values(), [&](const A& a) { return A::view(context, a.data, a.shape); });
  if (net.nodes.count > 0) std::copy(table.begin(), table.end(), net.nodes[0].data);
  const elmrec::GraphInput<A> input{
      A::view(context, vectors.data(), {graph.nodes(), static_cast<thaw::Index>(vectors.size()) / graph.nodes()}),
      &graph,
      3,
      {}};
  const A out = elmrec::read_prompts(net, builder.batch(context), input);
  return {out.begin(), out.end()};
}

}  // namespace

TEST_CASE("rows of nodes permuted together with the ids: the same text is read the same") {
  const thaw::ItemSequences data = elmrec::generate_sequences({.users = 30, .items = 20, .tastes = 4});
  const thaw::PropagationGraph graph(thaw::training_interactions(data).value());
  Ids moved(20), number(20), as_is(20);
  for (std::int32_t i = 0; i < 20; ++i) as_is[static_cast<std::size_t>(i)] = moved[static_cast<std::size_t>(i)] = i;
  thaw::Philox(4, 4).shuffle(moved);
  thaw::ItemSequences other = data;
  for (std::int32_t& item : other.lists.ids) item = moved[static_cast<std::size_t>(item)];
  const thaw::PropagationGraph other_graph(thaw::training_interactions(other).value());
  for (std::size_t i = 0; i < 20; ++i) number[static_cast<std::size_t>(moved[i])] = static_cast<std::int32_t>(i);
  const auto permuted = [&](const std::vector<float>& rows, std::size_t width) {
    std::vector<float> out = rows;
    for (std::size_t i = 0; i < 20; ++i)
      std::copy_n(rows.data() + (30 + i) * width, width,
                  out.data() + (30 + static_cast<std::size_t>(moved[i])) * width);
    return out;
  };
  const Ids candidates{3, 17, 0, 11};
  Ids moved_candidates;
  for (const std::int32_t item : candidates) moved_candidates.push_back(moved[static_cast<std::size_t>(item)]);

  elmrec::ElmRecConfig config;
  config.language = {.vocab_size = 400,
                     .d_model = 16,
                     .d_kv = 8,
                     .num_heads = 2,
                     .d_ff = 32,
                     .num_layers = 2,
                     .num_decoder_layers = 1};
  config.evidence = false;
  thaw::Philox rng(9, 9);
  for (const bool own : {false, true}) {
    config.graph_width = own ? 0 : 6;
    config.own_nodes = own ? 50 : 0;
    const std::size_t width = own ? 16 : 6;
    std::vector<float> rows(50 * width);
    for (float& v : rows) v = static_cast<float>(rng.normal());
    const auto plan = elmrec::elmrec_plan(config);
    const auto before = read(plan, as_is, candidates, rows, graph, rows),
               after = read(plan, number, moved_candidates, permuted(rows, width), other_graph, permuted(rows, width)),
               wrong = read(plan, number, moved_candidates, rows, other_graph, rows);
    CHECK(before.size() == after.size());
    if (before.size() != after.size()) return;
    double most = 0, apart = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      most = (std::max)(most, std::fabs(static_cast<double>(before[i] - after[i])));
      apart = (std::max)(apart, std::fabs(static_cast<double>(before[i] - wrong[i])));
    }
    CHECK(most < 1e-5);
    CHECK(apart > 1e-3);
  }
}

TEST_CASE("32 examples of each task are learnt by heart: numbers as well as states [slow]") {
  const thaw::ItemSequences data = pairs();
  const thaw::Interactions edges = thaw::training_interactions(data).value();
  const thaw::PropagationGraph graph(edges);
  const elmrec::PlainTokenizer tokenizer{{"user", "item"}};
  elmrec::TrainerOptions o;
  o.model.language = {.d_model = 32, .d_kv = 8, .num_heads = 4, .d_ff = 64, .num_layers = 1, .num_decoder_layers = 1};
  o.model.alpha = 6;
  o.prior = true;
  o.negatives = 60;
  o.batch = 64;
  o.candidates = 4;
  o.dropout = 0;
  o.decay = 0;
  o.rate = 1e-2;
  o.steps = 900;
  o.warm_up = 20;
  o.beams = 10;
  elmrec::Trainer trainer(data, graph, {}, tokenizer, o);
  double loss = 0;
  for (thaw::Index s = 0; s < o.steps; ++s) loss = trainer.step();
  MESSAGE("loss after " << o.steps << " steps: " << loss);
  CHECK(loss < 0.05);
  elmrec::Questions known;
  for (std::int32_t user = 0; user < 32; ++user) {
    known.list.push_back({known.list.size(), user, data.of(user).first(1), data.of(user)[1]});
    known.negatives.push_back(thaw::negatives_of(data, user, 9, 5));
  }
  CHECK(trainer.direct(known).hits[0] == doctest::Approx(1));
  CHECK(trainer.sequential(known).hits[0] == doctest::Approx(1));
  CHECK(trainer.free(known, elmrec::Task::direct).hits[0] == doctest::Approx(1));
  CHECK(trainer.free(known, elmrec::Task::sequential).hits[0] == doctest::Approx(1));
  // What spells an item, with its end and without, and what spells none.
  const auto& trie = trainer.trie();
  for (std::int32_t item = 0; item < data.items; ++item) {
    Ids path;
    for (std::int32_t at = trie.node_of(item); at != thaw::TokenTrie::kRoot; at = trie.parent(at)) {
      const auto children = trie.children(trie.parent(at));
      for (std::size_t c = 0; c < children.tokens.size(); ++c)
        if (children.targets[c] == at) path.insert(path.begin(), children.tokens[c]);
    }
    CHECK(trainer.item_spelled(path) == item);
    path.push_back(elmrec::kEnd);
    CHECK(trainer.item_spelled(path) == item);
    path.push_back(elmrec::kEnd);
    CHECK(trainer.item_spelled(path) == -1);
  }
  CHECK(trainer.item_spelled({}) == -1);
  CHECK(trainer.quick(known, elmrec::Task::direct).hits[0] == doctest::Approx(1));
  CHECK(trainer.quick(known, elmrec::Task::sequential).hits[0] == doctest::Approx(1));
}

TEST_CASE("end to end on generated sequences: better than popularity and than exact walks, in both tasks [slow]") {
  const thaw::ItemSequences data =
      elmrec::generate_sequences({.users = 1500, .items = 240, .tastes = 12, .follows = 0.5, .taste = 0.4});
  const thaw::Interactions edges = thaw::training_interactions(data).value();
  const thaw::PropagationGraph graph(edges);
  const elmrec::PlainTokenizer tokenizer{{"user", "item"}};
  elmrec::TrainerOptions o;
  o.model.language = {.d_model = 32, .d_kv = 8, .num_heads = 4, .d_ff = 64, .num_layers = 1, .num_decoder_layers = 1};
  o.model.alpha = 6;
  o.prior = true;
  o.sequential_text = false;
  o.text_weight = 0.3;
  o.direct_every = 4;
  o.negatives = 200;
  o.rate = 5e-3;
  o.steps = 400;
  o.warm_up = 40;
  elmrec::Trainer trainer(data, graph, {}, tokenizer, o);
  for (thaw::Index s = 0; s < o.steps; ++s) trainer.step();
  const elmrec::Questions test = elmrec::test_questions(data, {.negatives = 49, .most_users = 600}),
                          validation = elmrec::validation_questions(data, {.negatives = 49, .most_users = 300});
  Ids items(static_cast<std::size_t>(data.items));
  for (std::int32_t i = 0; i < data.items; ++i) items[static_cast<std::size_t>(i)] = i;
  const elmrec::Mix direct = trainer.fit(validation, elmrec::Task::direct),
                    next = trainer.fit(validation, elmrec::Task::sequential);
  const double found = trainer.direct(test, &direct).ndcg[2], found_next = trainer.sequential(test, &next).ndcg[2];
  const double popular = elmrec::rank_sampled(test, elmrec::PopularityScorer(edges)).ndcg[2],
               walks = elmrec::rank_sampled(test, elmrec::WalkScorer(graph, true)).ndcg[2],
               walks_next = elmrec::rank_all(test, elmrec::WalkScorer(graph, true), items).ndcg[2];
  MESSAGE("direct NDCG@10 " << found << ", popularity " << popular << ", walks " << walks << "; all items "
                            << found_next << ", walks " << walks_next);
  CHECK(found > popular + 0.05);
  CHECK(found > walks + 0.02);
  CHECK(found_next > walks_next + 0.02);
}
