#include "tests/examples/zero_shot_tiny.hpp"
#include "thaw/baselines/popularity.hpp"

using namespace zero_shot_test;
using zero_shot::kPaperBins;
using zero_shot::kPaperFeatures;

namespace {

constexpr zero_shot::PlantedOptions kPlanted{.users = 300, .items = 200, .groups = 5, .mean_history = 14, .seed = 41};
constexpr zero_shot::PaperOptions kSmall{.walk_length = 10, .walks_per_node = 2, .width = 16, .edge_clusters = 20};
// Enough users that the share of each bin is known to a few per cent.
constexpr zero_shot::PlantedOptions kMany{.users = 3000, .items = 400, .groups = 5, .mean_history = 14, .seed = 42};

// Keeps group A: the activity of the user and of the item.
void keep_activity(std::span<float> row) {
  for (int k = 0; k < kPaperFeatures; ++k)
    if (k >= kPaperBins && (k < 3 * kPaperBins || k >= 4 * kPaperBins)) row[static_cast<std::size_t>(k)] = 0;
}

zero_shot::TrainingRows activity_rows() {
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kMany));
  zero_shot::TrainingRows rows;
  const auto done = zero_shot::add_world<zero_shot::PaperSystem>(zero_shot::visible_lists(split), split.items,
                                                                 {.supervised = 2500}, rows, kSmall);
  CHECK_MESSAGE(done.ok(), (done ? "" : done.fault().text));
  for (std::size_t at = 0; at < rows.features.size(); at += kPaperFeatures)
    keep_activity({&rows.features[at], kPaperFeatures});
  return rows;
}

}  // namespace

TEST_CASE("a pair has eight ones, one in each group of ten bins; nothing of the history is a candidate") {
  const thaw::RatingGraph graph = graph_of(kPlanted);
  const auto s = zero_shot::PaperStatistics::fit(graph, kSmall);
  CHECK_MESSAGE(s.ok(), (s ? "" : s.fault().text));
  if (!s) return;
  zero_shot::PaperPairs pairs;
  const std::vector<std::int32_t> history = history_of(graph, 4);
  pairs.build(s.value(), 4, history, {});
  CHECK(pairs.items().size() + history.size() == static_cast<std::size_t>(graph.item_count()));
  for (std::size_t i = 0; i < pairs.items().size(); ++i)
    for (int group = 0; group < 8; ++group) {
      float sum = 0;
      for (int bin = 0; bin < kPaperBins; ++bin) {
        const float x = pairs.row(i)[static_cast<std::size_t>(group * kPaperBins + bin)];
        CHECK((x == 0 || x == 1));
        sum += x;
      }
      CHECK(sum == 1);
    }
}

TEST_CASE("swapping users and items swaps their activity bins") {
  const thaw::Dataset data = zero_shot::planted(kPlanted);
  std::vector<thaw::Rating> swapped;
  for (const thaw::Rating& r : data.ratings) swapped.push_back({r.item, r.user, 1});
  const std::int32_t users = data.users.size(), items = data.items.size();
  const auto a = zero_shot::PaperStatistics::fit(thaw::RatingGraph::from_ratings(data.ratings, users, items), kSmall);
  const auto b = zero_shot::PaperStatistics::fit(thaw::RatingGraph::from_ratings(swapped, items, users), kSmall);
  CHECK((a.ok() && b.ok()));
  if (!a || !b) return;
  for (std::int32_t user = 0; user < users; ++user)
    CHECK(a.value().node_bins(user)[0] == b.value().node_bins(items + user)[0]);
  for (std::int32_t item = 0; item < items; ++item)
    CHECK(a.value().node_bins(users + item)[0] == b.value().node_bins(item)[0]);
}

TEST_CASE("renaming users and items renames their activity bins") {
  const thaw::Dataset data = zero_shot::planted(kPlanted);
  const std::int32_t users = data.users.size(), items = data.items.size();
  const Renamed renamed(data.ratings, users, items, 9);
  const auto a = zero_shot::PaperStatistics::fit(thaw::RatingGraph::from_ratings(data.ratings, users, items), kSmall);
  const auto b =
      zero_shot::PaperStatistics::fit(thaw::RatingGraph::from_ratings(renamed.ratings, users, items), kSmall);
  CHECK((a.ok() && b.ok()));
  if (!a || !b) return;
  for (std::int32_t node = 0; node < users + items; ++node) {
    const std::int32_t to = node < users ? renamed.user[static_cast<std::size_t>(node)]
                                         : users + renamed.item[static_cast<std::size_t>(node - users)];
    CHECK(a.value().node_bins(node)[0] == b.value().node_bins(to)[0]);
  }
}

TEST_CASE("activity alone ranks as binned popularity, and planted groups do not help it") {
  const zero_shot::TrainingRows rows = activity_rows();
  zero_shot::Network network(kPaperFeatures, 1);
  const zero_shot::TrainingRows* sources[] = {&rows};
  zero_shot::learn(network, sources, {.steps = 800, .batch = 512});
  const zero_shot::Target target(thaw::split_at_random(zero_shot::planted(kPlanted)), {.users = 200});
  const auto s = zero_shot::PaperStatistics::fit(target.graph(), kSmall);
  CHECK(s.ok());
  if (!s) return;
  // The order of the item's bins, in the mean over users of every activity.
  thaw::GrowingArena arena;
  std::vector<float> mean(kPaperBins, 0.0f);
  for (int user_bin = 0; user_bin < kPaperBins; ++user_bin) {
    std::vector<float> input(kPaperBins * kPaperFeatures, 0.0f), score(kPaperBins);
    for (int bin = 0; bin < kPaperBins; ++bin) {
      input[static_cast<std::size_t>(bin * kPaperFeatures + user_bin)] = 1;
      input[static_cast<std::size_t>(bin * kPaperFeatures + 3 * kPaperBins + bin)] = 1;
    }
    network.score(input, score, arena);
    for (std::size_t bin = 0; bin < kPaperBins; ++bin) mean[bin] += score[bin];
  }
  double agree = 0, pairs = 0;
  for (std::size_t i = 0; i < kPaperBins; ++i)
    for (std::size_t j = i + 1; j < kPaperBins; ++j) agree += mean[j] > mean[i] ? 1 : -1, pairs += 1;
  CHECK(agree / pairs >= 0.95);  // Kendall's tau

  zero_shot::PaperPairs of_user;
  std::vector<float> scores;
  const auto ask = [&](const thaw::TopNQuery& query, std::span<const std::int32_t> items, std::span<float> out) {
    of_user.build(s.value(), query.user, query.known, {});
    std::vector<float> input = of_user.rows();
    for (std::size_t at = 0; at < input.size(); at += kPaperFeatures) keep_activity({&input[at], kPaperFeatures});
    scores.resize(of_user.items().size());
    network.score(input, scores, arena);
    std::fill(out.begin(), out.end(), -1e9f);
    for (std::size_t i = 0; i < scores.size(); ++i) out[static_cast<std::size_t>(of_user.items()[i])] = scores[i];
    CHECK(out.size() == items.size());
  };
  const auto alone = target.measure(ask);
  const auto popularity = target.measure(thaw::PopularityPredictor(target.graph().by_item));
  CHECK((alone.ok() && popularity.ok()));
  if (!alone || !popularity) return;
  CHECK(alone.value().mean("Recall@20") < 1.25 * popularity.value().mean("Recall@20"));
}
