// The bar: its numbers by hand, its choices by what is planted, its absences by name.
#include "hyperrs/simple_methods.hpp"
#include "tests/examples/meta_worlds.hpp"

using hyperrs::Objective;

namespace {

struct Scored {
  hyperrs::Task task;
  hyperrs::World world;
  std::vector<hyperrs::Scenario> scenarios;
  hyperrs::SimpleScores scores;
  bool ok = false;

  explicit Scored(Objective objective, bool attributes = true) {
    auto made = meta_worlds::four_tastes(objective);
    CHECK(made.ok());
    if (!made) return;
    task = std::move(made.value());
    if (!attributes) task.data.items.attributes.clear();
    world = task.world();
    const int supports[] = {2, 4};
    auto scenarios_made = hyperrs::make_scenarios(task, supports);
    CHECK(scenarios_made.ok());
    if (!scenarios_made) return;
    scenarios = std::move(scenarios_made.value());
    auto scored = hyperrs::score_simple_methods(world, scenarios, 1);
    CHECK(scored.ok());
    if (!scored) return;
    scores = std::move(scored.value());
    ok = true;
  }
  Scored(const Scored&) = delete;
  // NaN where the method has no say in the scenario.
  double mean(const std::string& start, const std::string& metric, thaw::ItemSet set) const {
    for (const hyperrs::SimpleScore& s : scores.methods)
      if (s.name.rfind(start, 0) == 0 && scenarios[s.scenario].items == set) return s.table.mean(metric);
    return std::nan("");
  }
};

}  // namespace

TEST_CASE("simple methods: neighbours and attributes find the planted tastes, popularity cannot") {
  const Scored s(Objective::ranking);
  if (!s.ok) return;
  const auto warm = thaw::ItemSet::known, cold = thaw::ItemSet::cold;
  // Depth 20, the size of a taste: attributes cannot tell its items apart, and ties count against them.
  const double popular = s.mean("popularity", "Recall@20", warm);
  for (const char* better : {"item-kNN", "P3alpha", "RP3beta", "EASE", "attribute overlap"})
    CHECK_MESSAGE(s.mean(better, "Recall@20", warm) > 1.5 * popular, better);
  CHECK(s.mean("attribute overlap", "Recall@10", cold) > s.mean("random", "Recall@10", cold));
  CHECK(std::isnan(s.mean("EASE", "Recall@10", cold)));
  CHECK(std::isnan(s.mean("item-kNN", "Recall@10", cold)));
  CHECK_FALSE(std::isnan(s.mean("attribute popularity", "Recall@10", cold)));
  CHECK(s.scores.left_out.empty());
}

TEST_CASE("simple methods: popularity is the count of training records") {
  const Scored s(Objective::ranking);
  if (!s.ok) return;
  const auto by_hand =
      s.scenarios[0].test.rank([&](const thaw::TopNQuery&, std::span<const std::int32_t> items, std::span<float> out) {
        for (std::size_t i = 0; i < items.size(); ++i) {
          out[i] = 0;
          for (const thaw::Rating& r : s.task.split.train) out[i] += r.item == items[i] ? 1.0F : 0.0F;
        }
      });
  CHECK(by_hand.ok());
  if (by_hand) CHECK(s.mean("popularity", "NDCG@10", thaw::ItemSet::known) == by_hand.value().mean("NDCG@10"));
}

TEST_CASE("simple methods: without attributes their absence is named, nothing else changes") {
  const Scored with(Objective::ranking), without(Objective::ranking, false);
  if (!with.ok || !without.ok) return;
  CHECK(without.scores.left_out.size() == 1);
  CHECK(without.scores.left_out[0].rfind("attribute overlap: ", 0) == 0);
  CHECK(with.mean("EASE", "NDCG@10", thaw::ItemSet::known) == without.mean("EASE", "NDCG@10", thaw::ItemSet::known));
  CHECK_FALSE(std::isnan(without.mean("random", "NDCG@10", thaw::ItemSet::cold)));
}

TEST_CASE("simple methods: errors of the mean by hand, the user's bias helps where users differ") {
  const Scored s(Objective::rating);
  if (!s.ok) return;
  double sum = 0, error = 0;
  for (const thaw::Rating& r : s.task.split.train) sum += static_cast<double>(r.value);
  const double mean = sum / static_cast<double>(s.task.split.train.size());
  for (const thaw::Episode& e : s.scenarios[0].test.episodes()) {
    double own = 0;
    for (const float label : e.query.labels) own += std::abs(static_cast<double>(label) - mean);
    error += own / static_cast<double>(e.query.labels.size());
  }
  error /= static_cast<double>(s.scenarios[0].test.episodes().size());
  CHECK(s.mean("mean rating", "MAE", thaw::ItemSet::known) == doctest::Approx(error).epsilon(1e-5));
  CHECK(s.mean("item mean + user bias", "MAE", thaw::ItemSet::known) > 0);
  CHECK(s.mean("item mean + user bias", "MAE", thaw::ItemSet::cold) > 0);
}

TEST_CASE("simple methods: item mean + user bias in closed form") {
  // One item has ratings 5 5 5 5 5, another 1 1 1 1 1; a new user rated the first 4.
  thaw::Dataset data;
  for (int u = 0; u < 6; ++u) data.users.ids.add("u" + std::to_string(u));
  for (int i = 0; i < 2; ++i) data.items.ids.add("i" + std::to_string(i));
  hyperrs::World world;
  std::vector<thaw::Rating> train;
  for (std::int32_t u = 0; u < 5; ++u) train.push_back({u, 0, 5}), train.push_back({u, 1, 1});
  world.data = &data;
  world.objective = Objective::rating;
  world.train = thaw::RatingGraph::from_ratings(train, 6, 2);
  const std::vector<std::int32_t> items{0, 1};
  std::vector<thaw::Episode> episodes(1);
  episodes[0] = {5, {{0}, {4}, {}}, {{1}, {3}, {}}};
  std::vector<hyperrs::Scenario> scenarios;
  scenarios.push_back({1, thaw::ItemSet::known, hyperrs::HeldOutUsers(episodes, items, Objective::rating),
                       hyperrs::HeldOutUsers(episodes, items, Objective::rating)});
  const auto scored = hyperrs::score_simple_methods(world, scenarios, 1);
  CHECK(scored.ok());
  if (!scored) return;
  const thaw::RatingBiases b = thaw::fit_biases(world.train, {});
  const double bias = (4 - 3 - b.item[0]) / 6;
  for (const hyperrs::SimpleScore& s : scored.value().methods) {
    if (s.name == "mean rating") CHECK(s.table.mean("MAE") == doctest::Approx(0));
    if (s.name == "item mean") CHECK(s.table.mean("MAE") == doctest::Approx(3 - (5 * 3 + 5 * 1) / 10.0).epsilon(1e-6));
    if (s.name == "item mean + user bias")
      CHECK(s.table.mean("MAE") == doctest::Approx(std::abs(3 - (3 + b.item[1] + bias))).epsilon(1e-5));
  }
}

TEST_CASE("simple methods: the popularity of attribute values in closed form") {
  thaw::Entities items;
  for (int i = 0; i < 4; ++i) items.ids.add("i" + std::to_string(i));
  thaw::Attribute& a = items.attributes.emplace_back();
  a.values.add("x"), a.values.add("y");
  const std::vector<std::int32_t> of[] = {{0}, {0, 1}, {1}, {}};
  for (const auto& values : of) a.append(values);
  // Items 0, 1 have 3 and 1 records, 2 and 3 are cold: x has (3 + 1) / 2 a known item, y has 1.
  const std::vector<thaw::Rating> train{{0, 0, 1}, {1, 0, 1}, {2, 0, 1}, {0, 1, 1}};
  const auto graph = thaw::RatingGraph::from_ratings(train, 3, 4);
  const hyperrs::AttributePopularity popularity(items, graph.by_item);
  std::vector<float> out(4);
  popularity.score_from({}, std::vector<std::int32_t>{0, 1, 2, 3}, out);
  CHECK(out == std::vector<float>{2, 1.5, 1, 0});
}

TEST_CASE("EASE over known items scores as EASE over all of them") {
  auto task = meta_worlds::four_tastes(Objective::ranking);
  CHECK(task.ok());
  if (!task) return;
  const hyperrs::World world = task.value().world();
  const thaw::EasePredictor::Options options{.regularization = 20};
  const auto all = thaw::EasePredictor::fit(world.train, options);
  const auto known = hyperrs::KnownItemsEase::fit(world.train, options);
  CHECK((all.ok() && known.ok()));
  if (!all || !known) return;
  CHECK(known.value().item_count() == 120);
  const std::int32_t cold = task.value().split.cold_items[0];
  const std::vector<std::int32_t> history{task.value().split.known_items[3], cold, task.value().split.known_items[9]};
  std::vector<std::int32_t> items = thaw::all_items(120);
  std::vector<float> a(items.size()), b(items.size());
  all.value().score_from(history, items, a);
  known.value().score_from(history, items, b);
  for (std::size_t i = 0; i < items.size(); ++i) CHECK(std::abs(a[i] - b[i]) < 1e-5F);
  CHECK(b[static_cast<std::size_t>(cold)] == 0);
  const auto refused = hyperrs::KnownItemsEase::fit(world.train, {.most_items = 10});
  CHECK_FALSE(refused.ok());
}
