#include "thaw/decode/leaf_bounds.hpp"

#include <doctest/doctest.h>

#include <cmath>

// By hand: root - 2 - (end: id 0) - 3 - (end: id 1); root - 4 - 5 - (end: id 2), 6 - (end: id 3).
TEST_CASE("bounds of the leaves below every node") {
  thaw::TokenSequences spelled;
  const std::vector<std::vector<std::int32_t>> words{{2}, {2, 3}, {4, 5}, {4, 6}};
  for (const auto& word : words) spelled.add(word);
  const auto trie = thaw::TokenTrie::build(spelled, 1).value();
  const auto child = [&](std::int32_t node, std::size_t place) { return trie.children(node).targets[place]; };
  const std::int32_t two = child(0, 0), four = child(0, 1);
  const std::vector<float> prior{-1.5F, 2.0F, -3.0F, -2.5F};

  thaw::LeafBounds bounds;
  bounds.reset(trie, nullptr, prior.data());
  CHECK(bounds.best(0) == 2.0F);
  CHECK(bounds.live(0) == 4);
  CHECK(bounds.best(two) == 2.0F);
  CHECK(bounds.best(four) == -2.5F);
  CHECK(bounds.live(four) == 2);
  CHECK(bounds.best(child(four, 0)) == -3.0F);

  thaw::LeafMask mask(trie);
  mask.hide(trie, 1), mask.hide(trie, 2);
  std::vector<float> partly = prior;
  partly[3] = thaw::LeafBounds::kNone;
  bounds.reset(trie, &mask, partly.data());
  CHECK(bounds.best(0) == -1.5F);
  CHECK(bounds.live(0) == 1);
  CHECK(bounds.live(two) == 1);
  CHECK(bounds.live(four) == 0);
  CHECK(bounds.best(four) == thaw::LeafBounds::kNone);

  bounds.reset(trie, &mask, nullptr);
  CHECK(bounds.live(0) == 2);
  CHECK(bounds.best(four) == 0.0F);
}
