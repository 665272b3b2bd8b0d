#include <set>

#include "tests/examples/zero_shot_tiny.hpp"
#include "zero_shot/lists.hpp"
#include "zero_shot/other_models.hpp"

using namespace zero_shot_test;

namespace {

constexpr zero_shot::PlantedOptions kSource{.users = 600, .items = 240, .groups = 6, .mean_history = 24, .seed = 51};
constexpr zero_shot::PlantedOptions kTarget{.users = 700, .items = 320, .groups = 8, .mean_history = 24, .seed = 52};
constexpr std::size_t kIsNew = 2 * zero_shot::kEvidences + 9, kDegree = 2 * zero_shot::kEvidences + 1;

// Trained on a source with new items and on the same one without.
const zero_shot::Network& trained() {
  static zero_shot::Network network(zero_shot::kFeatures, 1);
  static const bool done = [] {
    const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kSource));
    zero_shot::TrainingRows rows;
    for (const double new_items : {0.0, 0.2, 0.2}) {
      const zero_shot::WorldOptions world{.new_items = new_items, .supervised = 250, .seed = 60 + rows.users.size()};
      CHECK(zero_shot::add_world(zero_shot::visible_lists(split), split.items, world, rows).ok());
    }
    const zero_shot::TrainingRows* sources[] = {&rows};
    zero_shot::learn(network, sources, {.steps = 900, .batch = 256});
    return true;
  }();
  CHECK(done);
  return network;
}

double recall_of(const zero_shot::Target& target, bool told) {
  const auto s =
      zero_shot::Statistics::fit(target.graph(), {.is_new = told ? target.new_items() : std::vector<char>()});
  CHECK(s.ok());
  if (!s) return 0;
  const auto table = target.measure(zero_shot::Recommender(s.value(), trained()));
  CHECK(table.ok());
  return table ? table.value().mean("Recall@20") : 0;
}

}  // namespace

TEST_CASE("new items that share anybody with the history are candidates and marked, others are not") {
  const thaw::RatingGraph graph = graph_of(kTarget);
  std::vector<char> is_new(static_cast<std::size_t>(graph.item_count()), 0);
  for (std::size_t item = 5; item < is_new.size(); item += 7) is_new[item] = 1;
  const auto plain = zero_shot::Statistics::fit(graph, {}),
             marked = zero_shot::Statistics::fit(graph, {.is_new = is_new});
  CHECK((plain.ok() && marked.ok()));
  if (!plain || !marked) return;
  const auto history = history_of(graph, 8);
  zero_shot::PairFeatures a, b;
  a.build(plain.value(), history, {});
  b.build(marked.value(), history, {});
  const std::set<std::int32_t> candidates(b.items().begin(), b.items().end());
  for (const std::int32_t item : a.items()) CHECK(candidates.count(item) == 1);
  for (std::size_t i = 0; i < b.items().size(); ++i)
    CHECK((b.row(i)[kIsNew] == 1) == (is_new[static_cast<std::size_t>(b.items()[i])] != 0));
  for (std::size_t i = 0; i < a.items().size(); ++i) CHECK(a.row(i)[kIsNew] == 0);
  for (std::int32_t item = 0; item < graph.item_count(); ++item) {
    bool shared = false;
    for (const auto& edge : graph.by_item.row(item))
      for (const std::int32_t h : history) shared = shared || graph.by_user.find(edge.column, h) != nullptr;
    const bool known = std::find(history.begin(), history.end(), item) != history.end();
    if (is_new[static_cast<std::size_t>(item)] != 0 && shared && !known) CHECK(candidates.count(item) == 1);
  }
}

TEST_CASE("a world with new items: they show five interactions at most, and are asked for") {
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kSource));
  zero_shot::TrainingRows rows;
  const auto done = zero_shot::add_world(zero_shot::visible_lists(split), split.items,
                                         {.new_items = 0.3, .supervised = 200, .seed = 4}, rows);
  CHECK_MESSAGE(done.ok(), (done ? "" : done.fault().text));
  int liked = 0, others = 0, old = 0;
  for (const zero_shot::TrainingRows::User& user : rows.users)
    for (std::size_t r = 0; r < user.positives + user.negatives; ++r) {
      const float* row = &rows.features[(user.first + r) * zero_shot::kFeatures];
      if (row[kIsNew] == 0) {
        ++old;
        continue;
      }
      ++(r < user.positives ? liked : others);
      CHECK(static_cast<double>(row[kDegree]) <= std::log2(6.0) / 12 + 1e-6);
    }
  CHECK(liked > 50);
  CHECK(others > 50);
  CHECK(old > 50);
}

TEST_CASE("a target with new items: they keep so many interactions, and among new items only they are candidates") {
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kTarget));
  const zero_shot::Target target(split, {.users = 200, .item_shown = 2, .among_new = true});
  int fresh = 0;
  for (std::int32_t item = 0; item < split.items; ++item) {
    if (target.new_items()[static_cast<std::size_t>(item)] == 0) continue;
    ++fresh;
    CHECK(target.graph().by_item.row(item).size() == 2);
  }
  CHECK(fresh > 20);
  std::size_t asked = 0;
  const auto count = [&](const thaw::TopNQuery& query, std::span<const std::int32_t> items, std::span<float> out) {
    asked = items.size();
    for (const std::int32_t item : query.relevant) CHECK(target.new_items()[static_cast<std::size_t>(item)] == 1);
    std::fill(out.begin(), out.end(), 0.0f);
  };
  CHECK(target.measure(count).ok());
  CHECK(asked == static_cast<std::size_t>(fresh));
}

TEST_CASE("told which items are new the network finds them; among new ones it beats popularity and P3alpha") {
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kTarget));
  const zero_shot::Target all(split, {.users = 300, .item_shown = 3});
  const double told = recall_of(all, true);
  CHECK(told > 2 * recall_of(all, false));
  CHECK(told > 0.1);
  const zero_shot::Target fresh(split, {.users = 300, .item_shown = 3, .among_new = true});
  const auto walk = thaw::RandomWalkPredictor::fit(fresh.graph(), {});
  CHECK(walk.ok());
  if (!walk) return;
  const auto popularity = fresh.measure(thaw::PopularityPredictor(fresh.graph().by_item));
  const auto p3alpha = fresh.measure(walk.value());
  CHECK((popularity.ok() && p3alpha.ok()));
  if (!popularity || !p3alpha) return;
  const double ours = recall_of(fresh, true);
  CHECK(ours > 1.2 * popularity.value().mean("Recall@20"));
  CHECK(ours > p3alpha.value().mean("Recall@20"));
}

TEST_CASE("ListShape: by hand, and the extremes") {
  const std::vector<std::int32_t> items{0, 1, 2, 3, 4, 5}, known{0};
  zero_shot::ListShape shape(6, 2);
  shape.add({1, {}, {}}, items, std::vector<float>{5, 4, 3, 2, 1, 0});     // 0 1
  shape.add({2, known, {}}, items, std::vector<float>{5, 4, 3, 2, 1, 0});  // 1 2
  shape.add({3, {}, {}}, items, std::vector<float>{0, 1, 0, 0, 9, 0});     // 4 1
  CHECK(shape.coverage() == doctest::Approx(4.0 / 6));
  CHECK(shape.likeness() == doctest::Approx(1.0 / 3));  // one of three items in common, three times
  zero_shot::ListShape same(100), apart(100, 5);
  const std::vector<std::int32_t> many = thaw::all_items(100);
  for (std::int32_t user = 0; user < 10; ++user) {
    std::vector<float> scores(100);
    for (std::size_t i = 0; i < 100; ++i) scores[i] = static_cast<float>(i);
    same.add({user, {}, {}}, many, scores);
    for (std::int32_t k = 0; k < 5; ++k) scores[static_cast<std::size_t>(5 * user + k)] = 1000;
    apart.add({user, {}, {}}, many, scores);
  }
  CHECK(same.likeness() == 1);
  CHECK(same.coverage() == doctest::Approx(0.2));
  CHECK(apart.likeness() == 0);
  CHECK(apart.coverage() == doctest::Approx(0.5));
}

TEST_CASE("other models: tuned on validation items they beat popularity; an unknown name is refused") {
  thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kTarget));
  const zero_shot::Target valid(split, {.users = 150, .validation = true}), test(split, {.users = 150});
  const auto value = [](const zero_shot::Target& target, const zero_shot::Ask& ask) {
    const auto table = target.measure(ask);
    return table ? table.value().mean("NDCG@20") : -1.0;
  };
  const auto popularity = zero_shot::fit_other("popularity", valid, test);
  CHECK(popularity.ok());
  if (!popularity) return;
  CHECK(popularity.value().settings.empty());
  for (const char* name : {"ials", "bpr-mf", "lightgcn", "ease"}) {
    CAPTURE(name);
    const auto fits = zero_shot::fit_other(name, valid, test);
    CHECK_MESSAGE(fits.ok(), (fits ? "" : fits.fault().text));
    if (!fits) return;
    CHECK(!fits.value().settings.empty());
    CHECK(value(valid, fits.value().valid) > value(valid, popularity.value().valid));
    CHECK(value(test, fits.value().test) > 1.2 * value(test, popularity.value().test));
  }
  const auto unknown = zero_shot::fit_other("oracle", valid, test);
  CHECK(!unknown.ok());
  if (!unknown) CHECK(std::string(unknown.fault().text).find("oracle: no such model") != std::string::npos);
}
