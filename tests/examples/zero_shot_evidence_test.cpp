#include "tests/examples/zero_shot_tiny.hpp"
#include "thaw/baselines/item_knn.hpp"
#include "thaw/baselines/random_walk.hpp"
#include "zero_shot/recommender.hpp"

using namespace zero_shot_test;
using zero_shot::Evidence;
using zero_shot::kWalks;

namespace {

constexpr zero_shot::PlantedOptions kSmall{.users = 60, .items = 40, .groups = 4, .mean_history = 9, .seed = 5};

// Sums over all users by the definitions, in double.
struct Direct {
  double alike = 0, very_alike = 0, rare = 0, paths = 0, people = 0, symmetric = 0;

  Direct(const thaw::RatingGraph& g, const std::vector<std::int32_t>& history, std::int32_t item) {
    for (std::int32_t user = 0; user < g.user_count(); ++user) {
      if (g.by_user.find(user, item) == nullptr) continue;
      double shared = 0, roots = 0;
      for (const std::int32_t h : history)
        if (g.by_user.find(user, h) != nullptr)
          shared += 1, roots += 1 / std::sqrt(static_cast<double>(g.by_item.row(h).size()));
      if (shared == 0) continue;
      const auto degree = static_cast<double>(g.by_user.row(user).size());
      const double s = shared / std::sqrt(degree * static_cast<double>(history.size()));
      alike += s * s, very_alike += s * s * s * s;
      rare += std::pow(roots / std::sqrt(degree), 3.0);
      paths += shared, people += 1;
      symmetric += roots / degree / std::sqrt(static_cast<double>(g.by_item.row(item).size()));
    }
  }
};

}  // namespace

TEST_CASE("evidence by definition: P3alpha, item-kNN and EASE where nothing is cut off, sums over users for the rest") {
  const thaw::RatingGraph graph = graph_of(kSmall);
  const auto statistics = zero_shot::Statistics::fit(graph, {.head_items = 1000, .head_penalty = 3});
  const auto walk = thaw::RandomWalkPredictor::fit(graph, {.neighbours = 1000});
  const auto cosine = thaw::ItemKnnPredictor::fit(graph, {.neighbours = 1000});
  CHECK(statistics.ok());
  if (!statistics || !walk || !cosine) return;
  const zero_shot::Statistics& s = statistics.value();
  const auto ease = thaw::EasePredictor::fit(
      graph,
      {.regularization = 3 * static_cast<double>(graph.by_user.edges.size()) / static_cast<double>(s.head_size())});
  if (!ease) return;
  CHECK(s.head_size() == s.live_items());
  const std::vector<std::int32_t> items = thaw::all_items(graph.item_count());
  std::vector<float> of_walk(items.size()), of_cosine(items.size()), of_ease(items.size());
  zero_shot::EvidenceSpace space;
  for (const std::int32_t user : {0, 7, 33}) {
    const std::vector<std::int32_t> history = history_of(graph, user);
    gather(s, history, space);
    walk.value().score_from(history, items, of_walk);
    cosine.value().score_from(history, items, of_cosine);
    ease.value().score_from(history, items, of_ease);
    for (const std::int32_t item : items) {
      const auto i = static_cast<std::size_t>(item);
      if (graph.by_user.find(user, item) != nullptr || graph.by_item.row(item).empty()) continue;
      const auto value = [&](Evidence e) {
        return static_cast<double>(space.walks[kWalks * i + static_cast<std::size_t>(e)]);
      };
      const Direct direct(graph, history, item);
      CHECK(value(Evidence::walk) == doctest::Approx(static_cast<double>(of_walk[i])).epsilon(1e-4));
      CHECK(value(Evidence::cosine) == doctest::Approx(static_cast<double>(of_cosine[i])).epsilon(1e-4));
      CHECK(value(Evidence::symmetric) == doctest::Approx(direct.symmetric).epsilon(1e-4));
      CHECK(value(Evidence::alike) == doctest::Approx(direct.alike).epsilon(1e-4));
      CHECK(value(Evidence::very_alike) == doctest::Approx(direct.very_alike).epsilon(1e-4));
      CHECK(value(Evidence::rare) == doctest::Approx(direct.rare).epsilon(1e-4));
      CHECK(value(Evidence::paths) == direct.paths);
      CHECK(value(Evidence::people) == direct.people);
      // The head is in order of popularity, the sums in another order: single precision.
      CHECK(static_cast<double>(space.linear[static_cast<std::size_t>(s.head_place(item))]) ==
            doctest::Approx(static_cast<double>(of_ease[i])).epsilon(1e-3));
    }
  }
}

// Their scores are not stored: the share of the top score in the features gives them back.
TEST_CASE("evidence that does not punish rare items: RP3beta, and how alike an item's users are") {
  const thaw::RatingGraph graph = graph_of(kSmall);
  const auto s = zero_shot::Statistics::fit(graph, {});
  const auto rp3 = thaw::RandomWalkPredictor::fit(graph, {.neighbours = 1000, .popularity_penalty = 0.5});
  CHECK((s.ok() && rp3.ok()));
  if (!s || !rp3) return;
  const std::vector<std::int32_t> items = thaw::all_items(graph.item_count());
  std::vector<float> scores(items.size());
  zero_shot::PairFeatures pairs;
  for (const std::int32_t user : {2, 11}) {
    const std::vector<std::int32_t> history = history_of(graph, user);
    pairs.build(s.value(), history, {});
    rp3.value().score_from(history, items, scores);
    std::vector<double> walked, close;
    for (const std::int32_t item : pairs.items()) {
      walked.push_back(static_cast<double>(scores[static_cast<std::size_t>(item)]));
      close.push_back(Direct(graph, history, item).alike / static_cast<double>(graph.by_item.row(item).size() + 1));
    }
    const auto hold = [&](Evidence e, const std::vector<double>& values) {
      const double top = *std::max_element(values.begin(), values.end());
      CHECK(top > 0);
      for (std::size_t i = 0; i < values.size(); ++i) {
        const float share = pairs.row(i)[2 * static_cast<std::size_t>(e) + 1];
        CHECK(static_cast<double>(share) == doctest::Approx(std::sqrt(values[i] / top)).epsilon(1e-3));
      }
    };
    hold(Evidence::less_walked, walked);
    hold(Evidence::close, close);
  }
}

// Without the linear model, whose inverse rounds in another order, scores agree to single precision.
TEST_CASE("renaming users and items renames the scores") {
  const thaw::Dataset data = zero_shot::planted(kSmall);
  const Renamed renamed(data.ratings, data.users.size(), data.items.size(), 12);
  const auto graph = thaw::RatingGraph::from_ratings(data.ratings, data.users.size(), data.items.size());
  const auto other = thaw::RatingGraph::from_ratings(renamed.ratings, data.users.size(), data.items.size());
  const zero_shot::Network network(zero_shot::kFeatures, 4);
  for (const std::int32_t head : {0, 1000}) {
    const auto first = zero_shot::Statistics::fit(graph, {.head_items = head});
    const auto second = zero_shot::Statistics::fit(other, {.head_items = head});
    CHECK((first.ok() && second.ok()));
    if (!first || !second) return;
    const std::vector<std::int32_t> items = thaw::all_items(graph.item_count());
    std::vector<float> a(items.size()), b(items.size());
    for (const std::int32_t user : {1, 20, 59}) {
      const std::int32_t to = renamed.user[static_cast<std::size_t>(user)];
      const auto history = history_of(graph, user), other_history = history_of(other, to);
      zero_shot::Recommender(first.value(), network).score_from(history, items, a);
      zero_shot::Recommender(second.value(), network).score_from(other_history, items, b);
      float lowest = a[0], highest = a[0];
      for (const std::int32_t item : items) {
        const auto i = static_cast<std::size_t>(item);
        lowest = (std::min)(lowest, a[i]), highest = (std::max)(highest, a[i]);
        if (graph.by_user.find(user, item) != nullptr) continue;
        CHECK(std::fabs(a[i] - b[static_cast<std::size_t>(renamed.item[i])]) < (head > 0 ? 0.02f : 1e-4f));
      }
      CHECK(highest - lowest > 0.3f);
    }
  }
}

TEST_CASE("renaming users and items renames the features and changes none") {
  const thaw::Dataset data = zero_shot::planted(kSmall);
  const Renamed renamed(data.ratings, data.users.size(), data.items.size(), 11);
  const auto graph = thaw::RatingGraph::from_ratings(data.ratings, data.users.size(), data.items.size());
  const auto other = thaw::RatingGraph::from_ratings(renamed.ratings, data.users.size(), data.items.size());
  const auto first = zero_shot::Statistics::fit(graph, {.head_items = 25});
  const auto second = zero_shot::Statistics::fit(other, {.head_items = 25});
  CHECK((first.ok() && second.ok()));
  if (!first || !second) return;
  CHECK(first.value().head_size() == second.value().head_size());
  zero_shot::PairFeatures a, b;
  for (const std::int32_t user : {1, 20, 59}) {
    a.build(first.value(), history_of(graph, user), {});
    b.build(second.value(), history_of(other, renamed.user[static_cast<std::size_t>(user)]), {});
    CHECK(a.items().size() == b.items().size());
    for (std::size_t i = 0; i < a.items().size(); ++i) {
      const std::int32_t to = renamed.item[static_cast<std::size_t>(a.items()[i])];
      const auto at = std::find(b.items().begin(), b.items().end(), to);
      CHECK(at != b.items().end());
      if (at == b.items().end()) return;
      const auto row = b.row(static_cast<std::size_t>(at - b.items().begin()));
      for (int k = 0; k < zero_shot::kFeatures; ++k)
        CHECK(std::fabs(a.row(i)[static_cast<std::size_t>(k)] - row[static_cast<std::size_t>(k)]) <
              (k / 2 == static_cast<int>(Evidence::linear) ? 0.02f : 1e-4f));  // its inverse rounds differently
    }
  }
}

TEST_CASE("candidates: none of the history, each once, the top of every list has rank 1 and share 1") {
  const thaw::RatingGraph graph = graph_of(kSmall);
  const auto s = zero_shot::Statistics::fit(graph, {});
  CHECK(s.ok());
  if (!s) return;
  zero_shot::PairFeatures pairs;
  const std::vector<std::int32_t> history = history_of(graph, 3);
  pairs.build(s.value(), history, {});
  std::vector<std::int32_t> items = pairs.items();
  std::sort(items.begin(), items.end());
  CHECK(std::adjacent_find(items.begin(), items.end()) == items.end());
  for (const std::int32_t item : history) CHECK(!std::binary_search(items.begin(), items.end(), item));
  for (std::size_t e = 0; e < zero_shot::kEvidences; ++e) {
    float least = 2, most = -1;
    for (std::size_t i = 0; i < pairs.items().size(); ++i) {
      const auto row = pairs.row(i);
      CHECK((row[2 * e] >= 0 && row[2 * e] <= 1 && row[2 * e + 1] >= 0 && row[2 * e + 1] <= 1));
      least = (std::min)(least, row[2 * e]), most = (std::max)(most, row[2 * e + 1]);
    }
    CHECK(most == 1);
    // The two that have no candidates of their own may have an item of another list on top; several may share it.
    CHECK(least <= 0.25f);
  }
}

TEST_CASE("nothing known: every candidate comes from popularity, every other evidence says nothing") {
  const thaw::RatingGraph graph = graph_of(kSmall);
  const auto s = zero_shot::Statistics::fit(graph, {});
  CHECK(s.ok());
  if (!s) return;
  zero_shot::PairFeatures pairs;
  pairs.build(s.value(), {}, {});
  CHECK(pairs.items().size() == static_cast<std::size_t>(s.value().live_items()));
  for (std::size_t i = 0; i < pairs.items().size(); ++i)
    for (std::size_t e = 0; e + 1 < zero_shot::kEvidences; ++e) {
      CHECK(pairs.row(i)[2 * e] == 1);
      CHECK(pairs.row(i)[2 * e + 1] == 0);
    }
}
