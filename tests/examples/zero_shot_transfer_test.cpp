#include "tests/examples/zero_shot_tiny.hpp"
#include "tests/temporary_folder.hpp"
#include "thaw/baselines/popularity.hpp"
#include "zero_shot/interpolation.hpp"

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

TEST_CASE("interpolation: the ends rank as the parts, a constant changes nothing") {
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(kTarget));
  const zero_shot::Target target(split, {.users = 60});
  const auto statistics = zero_shot::Statistics::fit(target.graph(), {});
  CHECK(statistics.ok());
  if (!statistics) return;
  const zero_shot::Recommender ours(statistics.value(), trained());
  const thaw::PopularityPredictor popularity(target.graph().by_item);
  const auto shifted = [&](const thaw::TopNQuery&, std::span<const std::int32_t> items, std::span<float> out) {
    popularity.score(0, items, out);
    for (float& x : out) x += 8;
  };
  const auto pairs = zero_shot::score_pairs(target, ours, popularity);
  const auto moved = zero_shot::score_pairs(target, ours, shifted);
  CHECK((pairs.ok() && moved.ok()));
  if (!pairs || !moved) return;
  const auto value = [&](const auto& table) { return table ? table.value().mean("NDCG@20") : -1.0; };
  CHECK(value(target.measure(zero_shot::Mixed(pairs.value(), 1))) == doctest::Approx(value(target.measure(ours))));
  CHECK(value(target.measure(zero_shot::Mixed(pairs.value(), 0))) ==
        doctest::Approx(value(target.measure(popularity))));
  for (std::size_t q = 0; q < 60; ++q)
    for (std::size_t i = 0; i < pairs.value().second[q].size(); ++i)
      CHECK(pairs.value().second[q][i] == doctest::Approx(moved.value().second[q][i]).epsilon(1e-3));
  const auto weight = zero_shot::choose_weight(pairs.value(), target);
  CHECK(weight.ok());
  if (weight)
    CHECK(value(target.measure(zero_shot::Mixed(pairs.value(), weight.value()))) >= value(target.measure(ours)) - 1e-9);
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
