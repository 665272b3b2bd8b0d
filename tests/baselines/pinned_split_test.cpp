// Recall@20 and NDCG@20 of the training-free and linear methods on a pinned implicit split of MovieLens-1M, against
// values measured by another program (in Python, dense matrices). Needs the data: set THAW_DATA to a folder that holds
// ml-1m-mulsetrank.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "thaw/baselines/ease.hpp"
#include "thaw/baselines/item_knn.hpp"
#include "thaw/baselines/popularity.hpp"
#include "thaw/baselines/random_walk.hpp"
#include "thaw/data/text_file.hpp"
#include "thaw/eval/top_n.hpp"

namespace {

using Lists = std::vector<std::vector<std::int32_t>>;  // items of each user

// Lines of "user item item ...".
Lists read_lists(const std::string& path) {
  const auto text = thaw::read_text_file(path);
  CHECK(text.ok());
  Lists lists;
  if (!text) return lists;
  const char* at = text.value().c_str();
  while (*at != '\0') {
    char* next = nullptr;
    const auto user = static_cast<std::size_t>(std::strtol(at, &next, 10));
    if (next == at) break;
    if (lists.size() <= user) lists.resize(user + 1);
    for (at = next; *at == ' '; at = next) {
      const long item = std::strtol(at, &next, 10);
      if (next == at) break;
      lists[user].push_back(static_cast<std::int32_t>(item));
    }
    while (*at == ' ' || *at == '\r' || *at == '\n') ++at;
  }
  return lists;
}

struct PinnedSplit {
  Lists train, test;
  std::int32_t item_count = 0;
  thaw::RatingGraph visible;
  std::vector<thaw::TopNQuery> queries;
};

void read_split(const std::string& folder, PinnedSplit& split) {
  split.train = read_lists(folder + "/train.txt.gz");
  split.test = read_lists(folder + "/test.txt.gz");
  std::vector<thaw::Rating> ratings;
  for (const Lists* lists : {&split.train, &split.test})
    for (std::size_t user = 0; user < lists->size(); ++user)
      for (const std::int32_t item : (*lists)[user]) {
        split.item_count = (std::max)(split.item_count, item + 1);
        if (lists == &split.train) ratings.push_back({static_cast<std::int32_t>(user), item, 1});
      }
  split.visible =
      thaw::RatingGraph::from_ratings(ratings, static_cast<std::int32_t>(split.train.size()), split.item_count);
  for (std::size_t user = 0; user < split.test.size(); ++user)
    split.queries.push_back({static_cast<std::int32_t>(user), split.train[user], split.test[user]});
}

bool read_pinned(PinnedSplit& split) {
  const char* folder = std::getenv("THAW_DATA");
  if (folder == nullptr) {
    MESSAGE("skipped: set THAW_DATA to a folder that holds ml-1m-mulsetrank");
    return false;
  }
  read_split(std::string(folder) + "/ml-1m-mulsetrank", split);
  CHECK(split.visible.by_user.edges.size() == 794784);
  CHECK(split.queries.size() == 6040);
  return split.queries.size() == 6040;
}

template <class Scorer>
void hold(const char* name, const PinnedSplit& split, const Scorer& scorer, double recall, double ndcg) {
  const auto table = thaw::evaluate_top_n(split.queries, thaw::all_items(split.item_count), scorer, {.depths = {20}});
  CHECK(table.ok());
  if (!table) return;
  CAPTURE(name);
  const double got_recall = table.value().mean("Recall@20"), got_ndcg = table.value().mean("NDCG@20");
  CAPTURE(got_recall);
  CAPTURE(got_ndcg);
  CHECK(std::fabs(got_recall - recall) < 0.001);
  CHECK(std::fabs(got_ndcg - ndcg) < 0.001);
}

TEST_CASE("pinned split of MovieLens-1M: popularity") {
  PinnedSplit split;
  if (!read_pinned(split)) return;
  hold("popularity", split, thaw::PopularityPredictor(split.visible.by_item), 0.1124, 0.1927);
}

TEST_CASE("pinned split of MovieLens-1M: neighbours, walks and EASE [slow]") {
  PinnedSplit split;
  if (!read_pinned(split)) return;
  const auto ease100 = thaw::EasePredictor::fit(split.visible, {.regularization = 100});
  const auto ease1000 = thaw::EasePredictor::fit(split.visible, {.regularization = 1000});
  const auto knn = thaw::ItemKnnPredictor::fit(split.visible);
  const auto p3 = thaw::RandomWalkPredictor::fit(split.visible);
  const auto rp3 = thaw::RandomWalkPredictor::fit(split.visible, {.popularity_penalty = 0.5});
  const auto p3_targets = thaw::RandomWalkPredictor::fit(split.visible, {.keep = thaw::KeepBest::of_each_target});
  const bool fitted = ease100 && ease1000 && knn && p3 && rp3 && p3_targets;
  CHECK(fitted);
  if (!fitted) return;
  hold("EASE 100", split, ease100.value(), 0.2491, 0.3843);
  hold("EASE 1000", split, ease1000.value(), 0.2672, 0.4178);
  hold("item neighbours", split, knn.value(), 0.2201, 0.3530);
  hold("P3alpha", split, p3.value(), 0.1449, 0.2476);
  hold("RP3beta", split, rp3.value(), 0.2023, 0.3202);
  hold("P3alpha, sources of each target", split, p3_targets.value(), 0.2243, 0.3514);
}

}  // namespace
