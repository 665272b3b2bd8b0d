#include "thaw/decode/beam_search.hpp"

#include <doctest/doctest.h>

#include "tests/decode/table_model.hpp"
#include "tests/heap_counter.hpp"

using thaw_test::TableModel;
using Ids = std::vector<std::int32_t>;

namespace {

struct Expected {
  double score;
  Ids tokens;
};

void check_found(const thaw::BeamSearch& search, std::int32_t prompt, const std::vector<Expected>& expected) {
  const auto found = search.found(prompt);
  CHECK(found.size() == expected.size());
  if (found.size() != expected.size()) return;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto tokens = search.tokens(found[i]);
    CHECK(Ids(tokens.begin(), tokens.end()) == expected[i].tokens);
    CHECK(found[i].score == doctest::Approx(expected[i].score).epsilon(1e-5));
  }
}

}  // namespace

// Numbers of a plain-loop Python program of the reference search in double precision, over the same table.
TEST_CASE("beam search equals the reference: closed early, at the longest length, summed and averaged scores") {
  TableModel model;
  {
    thaw::BeamSearch search({.beams = 3, .results = 3, .vocabulary = 7});
    search.run(model, 1);
    check_found(search, 0, {{-1.278521, {0, 1}}, {-1.426147, {2, 1}}, {-1.774371, {1}}});
  }
  {
    model.start(1);
    thaw::BeamSearch search({.beams = 4, .results = 2, .vocabulary = 7, .longest = 5});
    search.run(model, 1);
    check_found(search, 0, {{-0.668415, {6, 2, 1}}, {-0.771362, {6, 2, 5, 3}}});
  }
  {
    model.start(2);
    thaw::BeamSearch search({.beams = 2, .results = 2, .vocabulary = 7, .longest = 4, .length_penalty = 0});
    search.run(model, 1);
    check_found(search, 0, {{-1.884123, {4, 1}}, {-3.225088, {4, 5, 6}}});
  }
  {
    // Fewer continuations of beam 0 than are looked at: the beams at -1e9 take part.
    model.start(3);
    thaw::BeamSearch search({.beams = 5, .results = 3, .vocabulary = 3, .longest = 6, .length_penalty = 2});
    search.run(model, 1);
    check_found(search, 0, {{-0.231714, {1}}, {-0.951423, {2, 1}}, {-1.475636, {0, 1}}});
  }
}

TEST_CASE("beam search: prompts of one batch do not see each other") {
  TableModel model;
  thaw::BeamSearch search({.beams = 4, .results = 4, .vocabulary = 9, .longest = 12});
  std::vector<std::vector<Expected>> alone(5);
  for (int p = 0; p < 5; ++p) {
    model.start(p);
    search.run(model, 1);
    for (const thaw::FoundText& text : search.found(0)) {
      const auto tokens = search.tokens(text);
      alone[static_cast<std::size_t>(p)].push_back({text.score, Ids(tokens.begin(), tokens.end())});
    }
  }
  model.start(0);
  search.run(model, 5);
  for (int p = 0; p < 5; ++p) check_found(search, p, alone[static_cast<std::size_t>(p)]);
}

TEST_CASE("beam search with one beam is greedy") {
  TableModel model;
  for (int p = 0; p < 20; ++p) {
    Ids greedy;
    std::uint64_t state = TableModel::begin(p);
    for (int length = 1; length < 9; ++length) {
      // The best token; an end token that is only second best is passed over, as it would not be among the first beam.
      std::int32_t best = 0;
      for (std::int32_t t = 1; t < 6; ++t)
        if (TableModel::logit(state, t) > TableModel::logit(state, best)) best = t;
      greedy.push_back(best);
      if (best == 1) break;
      state = TableModel::next(state, best);
    }
    model.start(p);
    thaw::BeamSearch search({.beams = 1, .results = 1, .vocabulary = 6, .longest = 9});
    search.run(model, 1);
    const auto found = search.found(0);
    CHECK(found.size() == 1);
    if (found.size() != 1) return;
    const auto tokens = search.tokens(found[0]);
    CHECK(Ids(tokens.begin(), tokens.end()) == greedy);
  }
}

TEST_CASE("beam search allocates nothing in steady state") {
  TableModel model;
  thaw::BeamSearch search({.beams = 6, .results = 3, .vocabulary = 40, .longest = 20});
  for (int i = 0; i < 2; ++i) model.start(0), search.run(model, 8);
  const long before = thaw_test::heap_allocations();
  model.start(0);
  search.run(model, 8);
  CHECK(thaw_test::heap_allocations() == before);
}
