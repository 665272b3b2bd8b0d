#include "thaw/decode/constrained_beam_search.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "tests/decode/table_model.hpp"
#include "tests/heap_counter.hpp"
#include "thaw/core/random.hpp"

using thaw_test::TableModel;
using Ids = std::vector<std::int32_t>;

namespace {

struct World {
  std::vector<Ids> words;
  thaw::TokenSequences spelled;
  thaw::TokenTrie trie;

  explicit World(std::vector<Ids> list) : words(std::move(list)) {
    for (const Ids& word : words) spelled.add(word);
    auto built = thaw::TokenTrie::build(spelled, 1);
    CHECK(built.ok());
    if (built) trie = std::move(built.value());
  }
};

World small() { return World({{2}, {2, 3}, {2, 3, 4}, {5}, {5, 2}, {6, 6, 6}, {6, 6, 2}, {0, 3}, {4}, {4, 4}}); }

World large(int count, std::uint64_t seed) {
  thaw::Philox rng(seed);
  std::set<Ids> words;
  while (words.size() < static_cast<std::size_t>(count)) {
    Ids word(1 + rng.below(3));
    for (std::int32_t& t : word) t = 2 + static_cast<std::int32_t>(rng.below(20));
    words.insert(word);
  }
  return World({words.begin(), words.end()});
}

// The log-probability of one id, token by token, with nothing of the library: allowed next tokens are found by looking
// at every allowed word.
double score_of(const World& world, const std::set<std::int32_t>& hidden, std::int32_t id, int prompt, int vocabulary) {
  const auto with_end = [&](std::size_t i) {
    Ids word = world.words[i];
    word.push_back(1);
    return word;
  };
  const Ids word = with_end(static_cast<std::size_t>(id));
  std::uint64_t state = TableModel::begin(prompt);
  double total = 0;
  for (std::size_t k = 0; k < word.size(); ++k) {
    std::set<std::int32_t> next;
    for (std::int32_t t = 0; t < vocabulary; ++t) next.insert(t);
    for (std::size_t i = 0; vocabulary == 0 && i < world.words.size(); ++i) {
      const Ids other = with_end(i);
      if (hidden.count(static_cast<std::int32_t>(i)) == 0 && other.size() > k &&
          std::equal(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(k), other.begin()))
        next.insert(other[k]);
    }
    double sum = 0;
    for (const std::int32_t t : next) sum += std::exp(static_cast<double>(TableModel::logit(state, t)));
    total += static_cast<double>(TableModel::logit(state, word[k])) - std::log(sum);
    state = TableModel::next(state, word[k]);
  }
  return total;
}

void check_ids(std::span<const thaw::FoundId> found, const std::vector<thaw::FoundId>& expected) {
  CHECK(found.size() == expected.size());
  if (found.size() != expected.size()) return;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(found[i].id == expected[i].id);
    CHECK(found[i].score == doctest::Approx(expected[i].score).epsilon(1e-5));
  }
}

}  // namespace

// Numbers of a plain-loop Python program over the same table.
TEST_CASE("constrained search equals the reference, both ways to normalise") {
  const World world = small();
  thaw::LeafMask mask(world.trie);
  mask.hide(world.trie, 1), mask.hide(world.trie, 8);
  const std::vector<thaw::AllowedIds> hidden{{&world.trie, &mask}}, open{{&world.trie, nullptr}};
  TableModel model;
  thaw::ConstrainedBeamSearch wide({.beams = 10, .results = 10}), three({.beams = 3, .results = 3});
  wide.run(model, hidden);
  check_ids(wide.found(0), {{7, -1.285459},
                            {0, -1.594245},
                            {9, -1.709459},
                            {4, -2.034593},
                            {6, -2.174822},
                            {5, -3.152322},
                            {3, -3.308593},
                            {2, -4.149745}});
  model.start(0);
  three.run(model, hidden);
  check_ids(three.found(0), {{7, -1.285459}, {0, -1.594245}, {9, -1.709459}});
  model.start(1);
  three.run(model, open);
  check_ids(three.found(0), {{6, -1.347912}, {5, -1.506412}, {9, -1.778164}});
  thaw::ConstrainedBeamSearch share(
      {.beams = 3, .results = 3, .normalise = thaw::Normalise::vocabulary, .vocabulary = 7});
  model.start(0);
  share.run(model, hidden);
  check_ids(share.found(0), {{0, -2.852293}, {9, -5.467884}, {7, -6.384355}});
  model.start(1);
  share.run(model, open);
  check_ids(share.found(0), {{8, -4.507876}, {9, -4.735399}, {6, -10.464548}});
}

TEST_CASE("constrained search as wide as the catalogue is the exhaustive ranking; width 1 is greedy") {
  const World world = large(150, 7);
  TableModel model;
  thaw::LeafMask mask(world.trie);
  std::set<std::int32_t> hidden;
  for (std::int32_t id = 0; id < 150; id += 4) hidden.insert(id), mask.hide(world.trie, id);
  const std::vector<thaw::AllowedIds> allowed{{&world.trie, &mask}};
  for (const int vocabulary : {0, 30}) {
    thaw::ConstrainedBeamOptions options{.beams = 150, .results = 150};
    if (vocabulary > 0) options.normalise = thaw::Normalise::vocabulary, options.vocabulary = vocabulary;
    thaw::ConstrainedBeamSearch search(options);
    options.beams = options.results = 1;
    thaw::ConstrainedBeamSearch greedy(options);
    for (int prompt = 0; prompt < 5; ++prompt) {
      std::vector<thaw::FoundId> expected;
      for (std::int32_t id = 0; id < 150; ++id)
        if (hidden.count(id) == 0) expected.push_back({id, score_of(world, hidden, id, prompt, vocabulary)});
      std::sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
      model.start(prompt);
      search.run(model, allowed);
      check_ids(search.found(0), expected);

      std::uint64_t state = TableModel::begin(prompt);
      std::int32_t node = thaw::TokenTrie::kRoot, id = -1;
      while (id < 0) {
        const auto children = world.trie.children(node);
        std::size_t best = children.tokens.size();
        for (std::size_t c = 0; c < children.tokens.size(); ++c) {
          const std::int32_t target = children.targets[c];
          if (target < 0 ? hidden.count(~target) != 0 : !mask.is_live(world.trie, target)) continue;
          if (best == children.tokens.size() ||
              TableModel::logit(state, children.tokens[c]) > TableModel::logit(state, children.tokens[best]))
            best = c;
        }
        state = TableModel::next(state, children.tokens[best]);
        node = children.targets[best];
        if (node < 0) id = ~node;
      }
      model.start(prompt);
      greedy.run(model, allowed);
      CHECK(greedy.found(0).size() == 1);
      if (greedy.found(0).size() == 1) CHECK(greedy.found(0)[0].id == id);
    }
  }
}

TEST_CASE("constrained search: valid, unseen, distinct, enough of them, and the batch does not matter") {
  const World world = large(400, 8);
  TableModel model;
  constexpr std::size_t kPrompts = 12;
  std::vector<thaw::LeafMask> masks(kPrompts, thaw::LeafMask(world.trie));
  std::vector<thaw::AllowedIds> allowed;
  for (std::size_t p = 0; p < kPrompts; ++p) {
    // From nothing hidden to 3 ids left, and in the last prompt none at all.
    const auto left = p + 1 == kPrompts ? 0 : p == 0 ? 400 : static_cast<std::int32_t>(3 * p);
    for (std::int32_t id = 0; id < 400 - left; ++id) masks[p].hide(world.trie, (id * 37) % 400);
    allowed.push_back({&world.trie, &masks[p]});
  }
  thaw::ConstrainedBeamSearch search({.beams = 20, .results = 15}), alone({.beams = 20, .results = 15});
  search.run(model, allowed);
  CHECK(model.steps <= world.trie.depth() + 1);
  for (std::size_t p = 0; p < kPrompts; ++p) {
    const auto found = search.found(p);
    const std::int32_t open = 400 - masks[p].hidden();
    CHECK(found.size() == static_cast<std::size_t>((std::min)(15, open)));
    std::set<std::int32_t> ids;
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(world.trie.has(found[i].id));
      CHECK(!masks[p].is_hidden(found[i].id));
      CHECK(ids.insert(found[i].id).second);
      if (i > 0) CHECK(found[i].score <= found[i - 1].score);
    }
    TableModel other;
    other.start(static_cast<int>(p));
    alone.run(other, std::span(allowed).subspan(p, 1));
    check_ids(alone.found(0), {found.begin(), found.end()});
  }
}

TEST_CASE("constrained search over each prompt's own candidates, and nothing allocated in steady state") {
  const World world = large(500, 9);
  std::vector<thaw::TokenTrie> tries(6);
  std::vector<thaw::AllowedIds> allowed;
  thaw::Philox rng(2);
  Ids ids(500);
  for (std::int32_t i = 0; i < 500; ++i) ids[static_cast<std::size_t>(i)] = i;
  for (thaw::TokenTrie& trie : tries) {
    rng.shuffle(ids);
    CHECK(trie.assign(world.spelled, std::span<const std::int32_t>(ids).first(100), 1).ok());
    allowed.push_back({&trie, nullptr});
  }
  TableModel model;
  thaw::ConstrainedBeamSearch search({.beams = 20, .results = 10});
  for (int i = 0; i < 2; ++i) model.start(0), search.run(model, allowed);
  const long before = thaw_test::heap_allocations();
  model.start(0);
  search.run(model, allowed);
  CHECK(thaw_test::heap_allocations() == before);
  for (std::size_t p = 0; p < tries.size(); ++p) {
    CHECK(search.found(p).size() == 10);
    for (const thaw::FoundId& found : search.found(p)) CHECK(tries[p].has(found.id));
  }
  // Only the logits of children are asked for, not those of a vocabulary.
  CHECK(model.logits_asked < 3 * 6 * (20 + 20 * 20 + 20 * 20));
}
