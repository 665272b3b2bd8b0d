#include <algorithm>
#include <cstdlib>

#include "tests/examples/zero_shot_tiny.hpp"
#include "tests/temporary_folder.hpp"
#include "thaw/baselines/popularity.hpp"
#include "zero_shot/mixing.hpp"

using namespace zero_shot_test;

namespace {

constexpr zero_shot::PlantedOptions kSource{.users = 500, .items = 320, .groups = 8, .mean_history = 16, .seed = 21};
constexpr zero_shot::PlantedOptions kTarget{.users = 700, .items = 600, .groups = 10, .mean_history = 12, .seed = 22};

// One network for all cases of this file: trained on the source, 900 steps.
zero_shot::Network& trained() {
  static zero_shot::Network network(zero_shot::kFeatures, 1);
  static const double loss = [] {
    const zero_shot::TrainingRows rows = rows_of(kSource, 200);
    const zero_shot::TrainingRows* sources[] = {&rows};
    return zero_shot::learn(network, sources, {.steps = 900, .batch = 256});
  }();
  CHECK(loss < 0.6931);
  return network;
}

// Tables with NDCG@20 alone, (weights, users).
std::vector<thaw::MetricTable> tables_of(const std::vector<std::vector<double>>& values) {
  std::vector<thaw::MetricTable> tables;
  for (const std::vector<double>& of_users : values) {
    thaw::MetricTable table;
    table.columns.push_back({"NDCG@20", of_users, thaw::summarize(of_users)});
    tables.push_back(std::move(table));
  }
  return tables;
}

}  // namespace

TEST_CASE("planted groups: a network from another world beats popularity by far, without changing a weight") {
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kTarget));
  const zero_shot::Target target(split, {.users = 300});
  const auto popularity = target.measure(thaw::PopularityPredictor(target.graph().by_item));
  CHECK(popularity.ok());
  if (!popularity) return;
  const std::uint64_t before = trained().fingerprint();
  CHECK(recall(target, trained()) > 1.5 * popularity.value().mean("Recall@20"));
  CHECK(trained().fingerprint() == before);
}

TEST_CASE("degrees alone: the network equals popularity within noise") {
  zero_shot::PlantedOptions degrees = kTarget;
  degrees.loyalty = 0, degrees.seed = 23;
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(degrees));
  const zero_shot::Target target(split, {.users = 500});
  const auto popularity = target.measure(thaw::PopularityPredictor(target.graph().by_item));
  const auto rows =
      rows_of({.users = 500, .items = 320, .groups = 8, .mean_history = 16, .loyalty = 0, .seed = 24}, 200);
  zero_shot::Network network(zero_shot::kFeatures, 2);
  const zero_shot::TrainingRows* sources[] = {&rows};
  zero_shot::learn(network, sources, {.steps = 900, .batch = 256});
  CHECK(popularity.ok());
  if (!popularity) return;
  const thaw::Spread bar = popularity.value().find("Recall@20")->over_users;
  const double error = bar.deviation / std::sqrt(static_cast<double>(bar.count));
  CHECK(std::fabs(recall(target, network) - bar.mean) < 3 * error);
}

TEST_CASE("test items never enter: without them every score is the same bit for bit") {
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kTarget));
  thaw::SplitLists blind = split;
  for (std::int32_t& item : blind.test.ids) item = (item + 17) % split.items;  // other answers
  const zero_shot::Target target(split, {.users = 20}), other(blind, {.users = 20});
  const auto first = zero_shot::Statistics::fit(target.graph(), {});
  const auto second = zero_shot::Statistics::fit(other.graph(), {});
  CHECK((first.ok() && second.ok()));
  if (!first || !second) return;
  const std::vector<std::int32_t> items = thaw::all_items(split.items);
  std::vector<float> a(items.size()), b(items.size());
  for (const std::int32_t user : {0, 5, 99}) {
    const auto history = history_of(target.graph(), user);
    zero_shot::Recommender(first.value(), trained()).score_from(history, items, a);
    zero_shot::Recommender(second.value(), trained()).score_from(history, items, b);
    CHECK(a == b);
  }
}

TEST_CASE("renaming the source changes the target's measure by noise alone") {
  const thaw::Dataset data = zero_shot::planted(kSource);
  const Renamed renamed(data.ratings, data.users.size(), data.items.size(), 31);
  thaw::Dataset other = data;
  other.ratings = renamed.ratings;
  const thaw::SplitLists source = thaw::split_at_random(other);
  zero_shot::TrainingRows rows;
  for (const zero_shot::WorldOptions& world : zero_shot::standard_worlds(kSource.seed, 200))
    CHECK(zero_shot::add_world(zero_shot::visible_lists(source), source.items, world, rows).ok());
  zero_shot::Network network(zero_shot::kFeatures, 1);
  const zero_shot::TrainingRows* sources[] = {&rows};
  zero_shot::learn(network, sources, {.steps = 900, .batch = 256});
  const zero_shot::Target target(thaw::split_at_random(zero_shot::planted(kTarget)), {.users = 300});
  CHECK(std::fabs(recall(target, network) - recall(target, trained())) < 0.05);
}

TEST_CASE("the leak: with the answers in the graph training looks far better, and transfer is worse") {
  const zero_shot::TrainingRows honest = rows_of(kSource, 200), leaking = rows_of(kSource, 200, false);
  zero_shot::Network of_honest(zero_shot::kFeatures, 1), of_leaking(zero_shot::kFeatures, 1);
  const zero_shot::TrainingRows* one[] = {&honest};
  const zero_shot::TrainingRows* two[] = {&leaking};
  const zero_shot::LearnOptions options{.steps = 900, .batch = 256};
  const double honest_loss = zero_shot::learn(of_honest, one, options);
  const double leaking_loss = zero_shot::learn(of_leaking, two, options);
  CHECK(leaking_loss < 0.6 * honest_loss);
  const zero_shot::Target target(thaw::split_at_random(zero_shot::planted(kTarget)), {.users = 300});
  CHECK(recall(target, of_leaking) < recall(target, of_honest));
}

TEST_CASE("weights travel through a file, and a file of another kind is refused") {
  thaw_test::TemporaryFolder files;
  const std::string path = files.write("weights.safetensors", "");
  CHECK(trained().save(path, {"generated"}).ok());
  zero_shot::Network other(zero_shot::kFeatures, 99);
  CHECK(other.fingerprint() != trained().fingerprint());
  CHECK(other.load(path).ok());
  CHECK(other.fingerprint() == trained().fingerprint());
  CHECK(thaw::save_model(path, trained().values(), {{"kind", "something else"}}).ok());
  const auto refused = other.load(path);
  CHECK(!refused.ok());
  if (!refused) CHECK(std::string(refused.fault().text).find("expected a model of kind") != std::string::npos);
}

TEST_CASE("interpolation: the ends rank as the parts, a constant changes nothing, blocks are one") {
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kTarget));
  const zero_shot::Target target(split, {.users = 300});  // more than a block
  const auto statistics = zero_shot::Statistics::fit(target.graph(), {});
  CHECK(statistics.ok());
  if (!statistics) return;
  const zero_shot::Recommender ours(statistics.value(), trained());
  const thaw::PopularityPredictor popularity(target.graph().by_item);
  const auto shifted = [&](const thaw::TopNQuery&, std::span<const std::int32_t> items, std::span<float> out) {
    popularity.score(0, items, out);
    for (float& x : out) x += 8;
  };
  const auto pairs = zero_shot::score_pairs(target, ours, popularity, 0, 300);
  const auto moved = zero_shot::score_pairs(target, ours, shifted, 40, 60);
  const auto tables = zero_shot::measure_mixtures(target, ours, popularity, zero_shot::kWeights);
  CHECK((pairs.ok() && moved.ok() && tables.ok()));
  if (!pairs || !moved || !tables) return;
  CHECK(moved.value().second.size() == 20);
  for (std::size_t q = 0; q < 20; ++q)
    for (std::size_t i = 0; i < moved.value().second[q].size(); ++i)
      CHECK(pairs.value().second[40 + q][i] == doctest::Approx(moved.value().second[q][i]).epsilon(1e-3));
  const auto value = [&](const auto& table) { return table ? table.value().mean("NDCG@20") : -1.0; };
  CHECK(tables.value()[10].mean("NDCG@20") == doctest::Approx(value(target.measure(ours))));
  CHECK(tables.value()[0].mean("NDCG@20") == doctest::Approx(value(target.measure(popularity))));
  const auto whole = target.measure(zero_shot::Mixed(pairs.value(), 0.3));
  CHECK(whole.ok());
  if (!whole) return;
  CHECK(tables.value()[3].users == whole.value().users);
  CHECK(tables.value()[3].find("NDCG@20")->per_user == whole.value().find("NDCG@20")->per_user);
  CHECK(tables.value()[3].mean("Recall@20") == whole.value().mean("Recall@20"));
}

TEST_CASE("interpolation: a mixture is taken where it gains more than one standard error") {
  // Four users: both parts, and what the mixture of weight 0.6 gains for each over the first.
  const auto choice_of = [](std::vector<double> gains, double first, double second) {
    std::vector<std::vector<double>> values(11, std::vector<double>(gains.size(), 0.1));
    for (std::size_t user = 0; user < gains.size(); ++user) {
      values[10][user] = first, values[0][user] = second;
      values[6][user] = first + gains[user];
    }
    return zero_shot::choose_weight(tables_of(values));
  };
  // Mean 0.1; squares about it 0.1, so the error is sqrt(0.1 / 3 / 4) = 0.0913.
  const auto taken = choice_of({0.3, -0.1, 0.2, 0.0}, 0.4, 0.2);
  CHECK(taken.ok());
  if (!taken) return;
  CHECK(taken.value().weight == 0.6);
  CHECK(taken.value().gain == doctest::Approx(0.1));
  CHECK(taken.value().error == doctest::Approx(0.0912871));
  // Mean 0.09; squares about it 0.1092: error 0.0954.
  const auto noise = choice_of({0.3, -0.1, 0.2, -0.04}, 0.4, 0.2);
  CHECK((noise.ok() && noise.value().weight == 1.0 && noise.value().best == 0.6));
  if (noise) CHECK(noise.value().error == doctest::Approx(0.0953939));
  // The same noise over a second part that is the better one.
  const auto other = choice_of({0.3, -0.1, 0.2, -0.04}, 0.4, 0.42);
  CHECK((other.ok() && other.value().weight == 0.0));
  // A loss, however certain; one user, whatever she says.
  const auto loss = choice_of({-0.1, -0.1, -0.1, -0.1}, 0.4, 0.2);
  CHECK((loss.ok() && loss.value().weight == 1.0));
  const auto one = choice_of({0.5}, 0.4, 0.2);
  CHECK((one.ok() && one.value().weight == 1.0));
  CHECK(!choice_of({}, 0.4, 0.2).ok());
}

TEST_CASE("interpolation: of equal mixtures the nearest to the better part, of equal parts the first") {
  std::vector<std::vector<double>> values(11, {0.5, 0.5, 0.5});
  const auto all_equal = zero_shot::choose_weight(tables_of(values));
  CHECK((all_equal.ok() && all_equal.value().weight == 1.0 && all_equal.value().gain == 0.0));
  values[10] = {0.3, 0.3, 0.3}, values[0] = {0.2, 0.2, 0.2};
  const auto near_first = zero_shot::choose_weight(tables_of(values));
  CHECK((near_first.ok() && near_first.value().weight == 0.9));
  values[0] = {0.4, 0.4, 0.4};
  const auto near_second = zero_shot::choose_weight(tables_of(values));
  CHECK((near_second.ok() && near_second.value().weight == 0.1));
}

TEST_CASE("interpolation: independent errors are averaged away, the same errors and pure noise are not mixed in") {
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kTarget));
  const zero_shot::Target target(split, {.users = 200});
  // Knows the answers by `truth`, and errs by itself.
  const auto knowing = [](float truth, std::uint64_t seed) {
    return [=](const thaw::TopNQuery& query, std::span<const std::int32_t> items, std::span<float> out) {
      thaw::Philox rng(seed, static_cast<std::uint64_t>(query.user));
      for (std::size_t i = 0; i < items.size(); ++i) out[i] = static_cast<float>(rng.normal());
      for (const std::int32_t item : query.relevant) out[static_cast<std::size_t>(item)] += truth;
    };
  };
  const auto chosen = [&](auto first, auto second) {
    const auto tables = zero_shot::measure_mixtures(target, first, second, zero_shot::kWeights);
    const auto choice = zero_shot::choose_weight(tables ? tables.value() : std::vector<thaw::MetricTable>(11));
    CHECK(choice.ok());
    return choice ? choice.value().weight : -1.0;
  };
  const double of_two = chosen(knowing(1.5f, 1), knowing(1.5f, 2));
  CHECK((of_two > 0.25 && of_two < 0.75));
  CHECK(chosen(knowing(1.5f, 1), knowing(1.5f, 1)) == 1.0);
  CHECK(chosen(knowing(1.5f, 1), knowing(0.0f, 2)) == 1.0);
  CHECK(chosen(knowing(0.0f, 1), knowing(1.5f, 2)) == 0.0);
}

TEST_CASE("interpolation: users are answered by what the other half of the users chose") {
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kTarget));
  const zero_shot::detail::MixingTargets targets = zero_shot::detail::mixing_targets(split, {.users = 50});
  CHECK(targets.test.users() == 50);
  CHECK(targets.valid.users() > 300);
  CHECK(targets.valid.graph().by_user.edges.size() == split.train.ids.size());
  const auto half = [](const thaw::TopNQuery& query) { return zero_shot::detail::Tuning::half_of(query.user); };
  // Perfect for one half of the users, of no use to the other, a little worse than useless for 2.
  const auto perfect_for = [&](std::size_t which) {
    return [=](const thaw::TopNQuery& query, std::span<const std::int32_t>, std::span<float> out) {
      for (float& x : out) x = 0;
      for (const std::int32_t item : query.relevant)
        out[static_cast<std::size_t>(item)] = half(query) == which ? 1.0f : -1.0f;
    };
  };
  zero_shot::detail::Tuning tuning;
  double means[3][3] = {};
  for (int number = 0; number < 3; ++number) {
    const auto offered = tuning.offer(targets.valid, perfect_for(static_cast<std::size_t>(number)), number);
    CHECK(offered.ok());
    if (!offered) return;
    std::copy(offered.value().begin(), offered.value().end(), means[number]);
  }
  CHECK((means[0][0] == 1.0 && means[0][1] < 0.1 && means[1][1] == 1.0 && means[1][0] < 0.1));
  std::size_t in_first = 0;
  const auto answered = targets.valid.measure([&](const thaw::TopNQuery& query, auto items, std::span<float> out) {
    in_first += half(query) == 0 ? 1 : 0;
    tuning.cross_fitted()(query, items, out);
  });
  CHECK(answered.ok());
  if (!answered) return;
  CHECK((in_first > targets.valid.users() * 2 / 5 && in_first < targets.valid.users() * 3 / 5));
  CHECK(answered.value().mean("NDCG@20") < 0.1);  // each half got the favourite of the other
  CHECK(tuning.chosen() == (means[0][2] > means[1][2] ? 0 : 1));
}

TEST_CASE("interpolation: settings are tuned on training and validation items, the chosen ones fitted to all") {
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kTarget));
  const zero_shot::detail::MixingTargets targets = zero_shot::detail::mixing_targets(split, {.users = 100});
  const auto ease = zero_shot::fit_other("ease", targets.valid, targets.test);
  CHECK(ease.ok());
  if (!ease) return;
  const auto again =
      thaw::EasePredictor::fit(targets.test.graph(), {.regularization = std::atof(ease.value().settings.c_str() + 7)});
  CHECK(again.ok());
  if (!again) return;
  const auto first = targets.test.measure(ease.value().test), second = targets.test.measure(again.value());
  CHECK((first.ok() && second.ok() && first.value().mean("NDCG@20") == second.value().mean("NDCG@20")));
  const auto lightgcn = zero_shot::fit_other("lightgcn", targets.valid, targets.test, 12);
  CHECK(lightgcn.ok());
  if (!lightgcn) return;
  CHECK((lightgcn.value().settings == "10 epochs" || lightgcn.value().settings == "12 epochs"));
  const auto trained_on = targets.valid.measure(lightgcn.value().valid);
  CHECK((trained_on.ok() && trained_on.value().mean("NDCG@20") > 0.02));
}

TEST_CASE("popularity on the pinned MovieLens split" * doctest::skip(std::getenv("THAW_DATA") == nullptr)) {
  const auto split = zero_shot::load_source("ml-1m-mulsetrank");
  if (!split) {
    MESSAGE("skipped: ", split.fault().text);
    return;
  }
  const zero_shot::Target target(split.value(), {.users = 1'000'000});
  const auto table = target.measure(thaw::PopularityPredictor(target.graph().by_item));
  CHECK(table.ok());
  if (!table) return;
  CHECK(std::fabs(table.value().mean("Recall@20") - 0.1124) < 0.001);
  CHECK(std::fabs(table.value().mean("NDCG@20") - 0.1927) < 0.001);
}
