#include "thaw/decode/token_trie.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include "tests/heap_counter.hpp"
#include "thaw/core/random.hpp"

using Ids = std::vector<std::int32_t>;

namespace {

thaw::TokenSequences spelled(const std::vector<Ids>& words) {
  thaw::TokenSequences out;
  for (const Ids& word : words) out.add(word);
  return out;
}

// Every id that can be spelled from a node, by walking the tree.
void collect(const thaw::TokenTrie& trie, std::int32_t node, const Ids& so_far, std::map<std::int32_t, Ids>& out) {
  const auto children = trie.children(node);
  for (std::size_t c = 0; c < children.tokens.size(); ++c) {
    Ids longer = so_far;
    longer.push_back(children.tokens[c]);
    if (c > 0) CHECK(children.tokens[c - 1] < children.tokens[c]);
    if (children.targets[c] < 0) {
      CHECK(out.emplace(~children.targets[c], longer).second);
      CHECK(trie.node_of(~children.targets[c]) == node);
    } else {
      CHECK(trie.parent(children.targets[c]) == node);
      collect(trie, children.targets[c], longer, out);
    }
  }
}

std::vector<Ids> random_words(int count, std::uint64_t seed) {
  thaw::Philox rng(seed);
  std::set<Ids> words;
  while (words.size() < static_cast<std::size_t>(count)) {
    Ids word(1 + rng.below(4));
    for (std::int32_t& t : word) {
      t = static_cast<std::int32_t>(rng.below(8));
      if (t == 1) t = 9;  // the end token
    }
    words.insert(word);
  }
  std::vector<Ids> list(words.begin(), words.end());
  rng.shuffle(list);
  return list;
}

}  // namespace

TEST_CASE("token trie: every id is spelled once, prefixes share nodes, sizes") {
  const auto trie = thaw::TokenTrie::build(spelled({{5, 2}, {5}, {7, 7, 7}, {5, 0}}), 1);
  CHECK(trie.ok());
  if (!trie) return;
  const thaw::TokenTrie& t = trie.value();
  CHECK(t.leaves() == 4);
  CHECK(t.nodes() == 7);  // root; 5; 7; 5 0; 5 2; 7 7; 7 7 7
  CHECK(t.depth() == 3);
  CHECK(t.widest() == 3);
  CHECK(Ids(t.ids().begin(), t.ids().end()) == Ids{1, 3, 0, 2});
  CHECK(t.leaves_below(thaw::TokenTrie::kRoot) == 4);
  const auto five = t.children(t.children(thaw::TokenTrie::kRoot).targets[0]);
  CHECK(Ids(five.tokens.begin(), five.tokens.end()) == Ids{0, 1, 2});
  CHECK(five.targets[1] == ~1);
}

TEST_CASE("token trie: random words come back, subsets too, and a mask hides what it must") {
  const std::vector<Ids> words = random_words(300, 3);
  const thaw::TokenSequences all = spelled(words);
  const auto built = thaw::TokenTrie::build(all, 1);
  CHECK(built.ok());
  if (!built) return;
  const thaw::TokenTrie& trie = built.value();
  std::map<std::int32_t, Ids> found;
  collect(trie, thaw::TokenTrie::kRoot, {}, found);
  CHECK(found.size() == words.size());
  for (const auto& [id, tokens] : found) {
    Ids expected = words[static_cast<std::size_t>(id)];
    expected.push_back(1);
    CHECK(tokens == expected);
  }
  thaw::LeafMask mask(trie);
  for (std::int32_t id = 0; id < 300; ++id)
    if (id % 7 != 0) mask.hide(trie, id), mask.hide(trie, id);
  mask.hide(trie, 1000);
  CHECK(mask.hidden() == 300 - 43);
  for (std::int32_t node = 0; node < trie.nodes(); ++node) {
    std::map<std::int32_t, Ids> below;
    collect(trie, node, {}, below);
    CHECK(trie.leaves_below(node) == static_cast<std::int32_t>(below.size()));
    bool live = false;
    for (const auto& [id, tokens] : below) live = live || id % 7 == 0;
    CHECK(mask.is_live(trie, node) == live);
  }
  for (std::int32_t id = 0; id < 300; ++id) mask.show(trie, id);
  CHECK(mask.hidden() == 0);
  CHECK(mask.is_live(trie, trie.node_of(1)));
}

TEST_CASE("token trie of a prompt's candidates: nothing is allocated again") {
  const thaw::TokenSequences all = spelled(random_words(400, 4));
  thaw::TokenTrie trie;
  Ids ids(400);
  for (std::int32_t i = 0; i < 400; ++i) ids[static_cast<std::size_t>(i)] = i;
  CHECK(trie.assign(all, ids, 1).ok());
  thaw::LeafMask mask(trie);
  thaw::Philox rng(5);
  for (int round = 0; round < 20; ++round) {
    rng.shuffle(ids);
    const std::span<const std::int32_t> some(ids.data(), 100);
    const long before = thaw_test::heap_allocations();
    const bool good = trie.assign(all, some, 1).ok();
    mask.reset(trie);
    CHECK(thaw_test::heap_allocations() == before);
    CHECK(good);
    CHECK(trie.leaves() == 100);
    for (const std::int32_t id : ids) CHECK(trie.has(id) == (std::find(some.begin(), some.end(), id) != some.end()));
  }
}

TEST_CASE("token trie: what cannot be told apart or ends too early is a fault") {
  const auto twice = thaw::TokenTrie::build(spelled({{3}, {4, 5}, {4, 5}}), 1);
  CHECK(!twice.ok());
  if (!twice) CHECK(std::string(twice.fault().text).find("ids 1 and 2 have the same tokens") != std::string::npos);
  CHECK(!thaw::TokenTrie::build(spelled({{3}, {}}), 1).ok());
  CHECK(!thaw::TokenTrie::build(spelled({{3, 1, 2}}), 1).ok());
  CHECK(!thaw::TokenTrie::build({}, 1).ok());
  thaw::TokenTrie trie;
  const Ids ids{0, 2};
  CHECK(!trie.assign(spelled({{3}, {4}}), ids, 1).ok());
}
