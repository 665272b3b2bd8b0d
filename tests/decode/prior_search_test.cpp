// Constrained search with scores that ids bring along, against trying every id.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>

#include "tests/decode/table_model.hpp"
#include "tests/heap_counter.hpp"
#include "thaw/core/random.hpp"
#include "thaw/decode/constrained_beam_search.hpp"

using thaw_test::TableModel;
using Ids = std::vector<std::int32_t>;

namespace {

constexpr float kHidden = -std::numeric_limits<float>::infinity();

struct Case {
  std::vector<Ids> words;  // with the end token
  thaw::TokenTrie trie;
  thaw::LeafMask mask;
  std::vector<float> prior;
  std::vector<std::int32_t> open;  // ids that neither the mask nor the prior hides

  // `most` words of 1 to 4 tokens below `vocabulary`; about a fifth hidden one way or the other.
  Case(std::uint64_t seed, int most, std::uint32_t vocabulary) {
    thaw::Philox rng(seed);
    std::set<Ids> distinct;
    for (int i = 0; i < most; ++i) {
      Ids word(1 + rng.below(4));
      for (std::int32_t& t : word) t = 2 + static_cast<std::int32_t>(rng.below(vocabulary - 2));
      distinct.insert(word);
    }
    thaw::TokenSequences spelled;
    for (const Ids& word : distinct) spelled.add(word);
    trie = thaw::TokenTrie::build(spelled, 1).value();
    mask.reset(trie);
    for (Ids word : distinct) {
      const auto id = static_cast<std::int32_t>(words.size());
      word.push_back(1);
      words.push_back(word);
      const std::uint32_t kind = rng.below(10);
      if (kind == 0) mask.hide(trie, id);
      prior.push_back(kind == 1 ? kHidden : static_cast<float>(rng.below(4000)) / 500.0F - 4.0F);
      if (kind > 1) open.push_back(id);
    }
  }
  bool begins(std::int32_t id, const Ids& path) const {
    const Ids& word = words[static_cast<std::size_t>(id)];
    return path.size() <= word.size() && std::equal(path.begin(), path.end(), word.begin());
  }
  // Tokens that may follow `path`: those of open ids, or all below `vocabulary`.
  std::set<std::int32_t> next(const Ids& path, int vocabulary) const {
    std::set<std::int32_t> tokens;
    for (std::int32_t t = 0; t < vocabulary; ++t) tokens.insert(t);
    for (const std::int32_t id : open)
      if (vocabulary == 0 && begins(id, path)) tokens.insert(words[static_cast<std::size_t>(id)][path.size()]);
    return tokens;
  }
  double share(const Ids& path, std::int32_t token, int prompt, int vocabulary) const {
    std::uint64_t state = TableModel::begin(prompt);
    for (const std::int32_t t : path) state = TableModel::next(state, t);
    double sum = 0;
    for (const std::int32_t t : next(path, vocabulary))
      sum += std::exp(static_cast<double>(TableModel::logit(state, t)));
    return static_cast<double>(TableModel::logit(state, token)) - std::log(sum);
  }
  double score(std::int32_t id, double weight, int prompt, int vocabulary) const {
    Ids path;
    double sum = 0;
    for (const std::int32_t t : words[static_cast<std::size_t>(id)]) {
      sum += share(path, t, prompt, vocabulary);
      path.push_back(t);
    }
    return weight * sum + static_cast<double>(prior[static_cast<std::size_t>(id)]);
  }
  // One path, at every token the one with the best that may become of it.
  std::int32_t greedy(double weight, int prompt, int vocabulary) const {
    Ids path;
    while (path.empty() || path.back() != 1) {
      std::int32_t chosen = -1;
      double best = 0;
      for (const std::int32_t t : next(path, 0)) {
        Ids longer = path;
        longer.push_back(t);
        double reach = -1e300;
        for (const std::int32_t id : open)
          if (begins(id, longer)) reach = (std::max)(reach, static_cast<double>(prior[static_cast<std::size_t>(id)]));
        reach += weight * share(path, t, prompt, vocabulary);
        if (chosen < 0 || reach > best) chosen = t, best = reach;
      }
      path.push_back(chosen);
    }
    for (const std::int32_t id : open)
      if (words[static_cast<std::size_t>(id)] == path) return id;
    return -1;
  }
};

thaw::ConstrainedBeamOptions options(int beams, int vocabulary, double weight) {
  thaw::ConstrainedBeamOptions o{.beams = beams, .results = beams, .language_weight = weight};
  if (vocabulary > 0) o.normalise = thaw::Normalise::vocabulary, o.vocabulary = vocabulary;
  return o;
}

}  // namespace

TEST_CASE("constrained search with priors as wide as the catalogue is the exhaustive ranking; width 1 is greedy") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const Case world(seed, seed < 4 ? 60 : 150, seed % 2 == 0 ? 8 : 24);
    const std::vector<thaw::AllowedIds> allowed{{&world.trie, &world.mask, world.prior.data()}};
    const int all = static_cast<int>(world.words.size());
    for (const int vocabulary : {0, 30})
      for (const double weight : {1.0, 0.25, 0.0}) {
        thaw::ConstrainedBeamSearch wide(options(all, vocabulary, weight)), one(options(1, vocabulary, weight));
        std::vector<thaw::FoundId> expected;
        const int prompt = static_cast<int>(seed);
        for (const std::int32_t id : world.open) expected.push_back({id, world.score(id, weight, prompt, vocabulary)});
        std::sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
        TableModel model;
        model.start(prompt);
        wide.run(model, allowed);
        const auto found = wide.found(0);
        CHECK(found.size() == expected.size());
        if (found.size() != expected.size()) return;
        for (std::size_t i = 0; i < found.size(); ++i) {
          CHECK(found[i].score == doctest::Approx(expected[i].score).epsilon(1e-5));
          // Priors are multiples of 1/500: without the language model some are equal.
          CHECK(world.score(found[i].id, weight, prompt, vocabulary) ==
                doctest::Approx(expected[i].score).epsilon(1e-5));
          if (weight > 0) CHECK(found[i].id == expected[i].id);
        }
        model.start(prompt);
        one.run(model, allowed);
        CHECK(one.found(0).size() == 1);
        if (weight > 0 && one.found(0).size() == 1)
          CHECK(one.found(0)[0].id == world.greedy(weight, prompt, vocabulary));
      }
  }
}

TEST_CASE("a prior that is minus infinity hides as a mask does; one of zero changes nothing") {
  const Case world(11, 200, 12);
  thaw::LeafMask mask = world.mask;
  std::vector<float> zero(world.prior.size(), 0.0F), barred = zero;
  for (std::size_t i = 0; i < barred.size(); i += 3) {
    barred[i] = kHidden;
    mask.hide(world.trie, static_cast<std::int32_t>(i));
  }
  const std::vector<thaw::AllowedIds> allowed{
      {&world.trie, &mask, nullptr}, {&world.trie, &mask, zero.data()}, {&world.trie, &world.mask, barred.data()}};
  thaw::ConstrainedBeamSearch search(options(20, 0, 1));
  std::vector<std::vector<thaw::FoundId>> found;
  for (const thaw::AllowedIds& one : allowed) {
    TableModel model;
    model.start(3);
    search.run(model, {&one, 1});
    found.emplace_back(search.found(0).begin(), search.found(0).end());
  }
  CHECK(found[0].size() == 20);
  for (const auto& other : found) {
    CHECK(other.size() == found[0].size());
    for (std::size_t i = 0; i < (std::min)(other.size(), found[0].size()); ++i) {
      CHECK(other[i].id == found[0][i].id);
      CHECK(other[i].score == found[0][i].score);
    }
  }
}

TEST_CASE("priors per prompt: each prompt its own, none where nothing is open, nothing allocated in steady state") {
  const Case a(21, 150, 12), b(22, 90, 9);
  const std::vector<float> nothing(a.prior.size(), kHidden);
  const std::vector<thaw::AllowedIds> allowed{{&a.trie, &a.mask, a.prior.data()},
                                              {&b.trie, nullptr, b.prior.data()},
                                              {&a.trie, nullptr, nothing.data()},
                                              {&b.trie, &b.mask, nullptr}};
  thaw::ConstrainedBeamSearch search(options(12, 0, 0.5));
  TableModel model;
  for (int i = 0; i < 2; ++i) model.start(0), search.run(model, allowed);
  const long before = thaw_test::heap_allocations();
  model.start(0);
  search.run(model, allowed);
  CHECK(thaw_test::heap_allocations() == before);
  CHECK(search.found(2).empty());
  thaw::ConstrainedBeamSearch alone(options(12, 0, 0.5));
  for (std::size_t p = 0; p < allowed.size(); ++p) {
    TableModel other;
    other.start(static_cast<int>(p));
    alone.run(other, std::span(allowed).subspan(p, 1));
    CHECK(alone.found(0).size() == search.found(p).size());
    for (std::size_t i = 0; i < (std::min)(alone.found(0).size(), search.found(p).size()); ++i) {
      CHECK(alone.found(0)[i].id == search.found(p)[i].id);
      CHECK(alone.found(0)[i].score == search.found(p)[i].score);
    }
  }
}

TEST_CASE("what is certain takes no step where probabilities are shares of what is allowed") {
  thaw::TokenSequences spelled;
  for (const Ids& word : {Ids{2, 7, 8, 9}, Ids{3, 7, 7}, Ids{4}, Ids{5, 6, 5, 6, 5}}) spelled.add(word);
  const auto trie = thaw::TokenTrie::build(spelled, 1).value();
  const std::vector<thaw::AllowedIds> allowed{{&trie, nullptr, nullptr}};
  thaw::ConstrainedBeamSearch share(options(4, 0, 1)), whole(options(4, 12, 1));
  TableModel model;
  share.run(model, allowed);
  CHECK(model.steps == 1);
  CHECK(share.found(0).size() == 4);
  double total = 0;
  for (const thaw::FoundId& found : share.found(0)) total += std::exp(found.score);
  CHECK(total == doctest::Approx(1));
  TableModel second;
  whole.run(second, allowed);
  CHECK(second.steps == 6);  // five tokens and the end
  CHECK(whole.found(0).size() == 4);
}
