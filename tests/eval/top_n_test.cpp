#include "thaw/eval/top_n.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "thaw/baselines/popularity.hpp"
#include "thaw/baselines/random.hpp"

namespace {

using Ids = std::vector<std::int32_t>;
using Places = std::vector<std::int64_t>;

// Scores by item number, whoever asks.
struct FixedScores {
  std::vector<float> by_item;
  void operator()(const thaw::TopNQuery&, std::span<const std::int32_t> items, std::span<float> out) const {
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = by_item[static_cast<std::size_t>(items[i])];
  }
};

double value(const thaw::Result<thaw::MetricTable>& table, const char* column) {
  CHECK(table.ok());
  return table ? table.value().mean(column) : std::nan("");
}
bool says(const thaw::Result<thaw::MetricTable>& table, const char* part) {
  return !table && std::strstr(table.fault().text, part) != nullptr;
}

// By hand: places 1, 3 and 6 of Q = 3 at N = 3. 1 + 1/2 over 1 + 0.63093 + 1/2.
TEST_CASE("score_top_n: a worked example") {
  const thaw::TopNScore at3 = thaw::score_top_n(Places{6, 1, 3}, 3);
  CHECK(at3.recall == doctest::Approx(2.0 / 3));
  CHECK(at3.ndcg == doctest::Approx(1.5 / 2.1309297536));
  CHECK(at3.ndcg_q_places == doctest::Approx(at3.ndcg));
  const thaw::TopNScore at2 = thaw::score_top_n(Places{6, 1, 3}, 2);
  CHECK(at2.recall == doctest::Approx(1.0 / 3));
  CHECK(at2.ndcg == doctest::Approx(1 / 1.6309297536));
  CHECK(at2.ndcg_q_places == doctest::Approx(1 / 2.1309297536));
  const thaw::TopNScore at10 = thaw::score_top_n(Places{6, 1, 3}, 10);  // more places than relevant items
  CHECK(at10.recall == 1);
  CHECK(at10.ndcg == doctest::Approx((1.5 + 1 / std::log2(7.0)) / 2.1309297536));
  CHECK(at10.ndcg_q_places == at10.ndcg);
}

TEST_CASE("score_top_n: ten of ten on top, by either divisor") {
  const Places top{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  CHECK(thaw::score_top_n(top, 5).ndcg == doctest::Approx(1.0));
  CHECK(thaw::score_top_n(top, 5).recall == 0.5);
  CHECK(thaw::score_top_n(top, 5).ndcg_q_places == doctest::Approx(2.9484591189 / 4.5435593381).epsilon(1e-10));
  CHECK(thaw::score_top_n(top, 5).ndcg_q_places == doctest::Approx(0.6489315753).epsilon(1e-9));
  CHECK(thaw::score_top_n(top, 20).ndcg_q_places == doctest::Approx(1.0));
}

// Catalogue of 8. The user knows 0 and 1; 2 and 5 are relevant.
struct Small {
  Ids known{0, 1}, relevant{5, 2};
  std::vector<thaw::TopNQuery> queries{{3, known, relevant}};
  Ids items = thaw::all_items(8);
};

TEST_CASE("evaluate_top_n: known items leave the list") {
  const Small small;
  // Order: (0, 1,) 6, 5, 3, 2, 4, 7: relevant at places 2 and 4.
  const FixedScores scores{{9, 8, 3, 4, 2, 5, 6, 1}};
  const auto table = thaw::evaluate_top_n(small.queries, small.items, scores, {.depths = {1, 2, 4}});
  CHECK(value(table, "Recall@1") == 0);
  CHECK(value(table, "Recall@2") == 0.5);
  CHECK(value(table, "Recall@4") == 1);
  CHECK(value(table, "NDCG@2") == doctest::Approx(0.6309297536 / 1.6309297536));
  CHECK(value(table, "NDCG@4") == doctest::Approx((0.6309297536 + 0.4306765581) / 1.6309297536));
  CHECK(value(table, "NDCG@1 (Q places)") == 0);
  if (table) CHECK(table.value().users == Ids{3});
}

TEST_CASE("evaluate_top_n: ties count against the recommender, at every number of ties") {
  const Small small;
  const auto recall = [&](std::vector<float> scores, thaw::Ties ties, std::int32_t n) {
    const auto name = "Recall@" + std::to_string(n);
    return value(
        thaw::evaluate_top_n(small.queries, small.items, FixedScores{std::move(scores)}, {.depths = {n}, .ties = ties}),
        name.c_str());
  };
  const auto worst = thaw::Ties::pessimistic;
  CHECK(recall({1, 1, 1, 1, 1, 1, 1, 1}, worst, 4) == 0);    // four others before them
  CHECK(recall({1, 1, 1, 1, 1, 1, 1, 1}, worst, 5) == 0.5);  // then one relevant after the other
  CHECK(recall({1, 1, 1, 1, 1, 1, 1, 1}, worst, 6) == 1);
  CHECK(recall({1, 1, 2, 1, 1, 2, 2, 1}, worst, 1) == 0);  // item 6 of the same score goes first
  CHECK(recall({1, 1, 2, 1, 1, 2, 2, 1}, worst, 3) == 1);
  const float nan = std::nanf("");
  CHECK(recall({nan, nan, nan, nan, nan, nan, nan, nan}, worst, 4) == 0);
  CHECK(recall({1, 1, nan, 1, 1, 2, 1, 1}, worst, 5) == 0.5);           // what is not a number comes last
  CHECK(recall({1, 1, 2, 1, 1, 3, 0, 1}, thaw::Ties::hashed, 2) == 1);  // without ties the rule does not matter
}

TEST_CASE("evaluate_top_n: hashed ties are fair over users, and the same at every run") {
  const Ids relevant{2, 5};
  std::vector<thaw::TopNQuery> queries;
  for (std::int32_t user = 0; user < 4000; ++user) queries.push_back({user, {}, relevant});
  const auto items = thaw::all_items(8);
  const FixedScores constant{std::vector<float>(8, 1.0f)};
  const thaw::TopNOptions options{.depths = {2}, .ties = thaw::Ties::hashed};
  const auto table = thaw::evaluate_top_n(queries, items, constant, options);
  const auto again = thaw::evaluate_top_n(queries, items, constant, options);
  CHECK(value(table, "Recall@2") == doctest::Approx(0.25).epsilon(0.05));  // four standard errors are 0.017
  CHECK(value(table, "Recall@2") == value(again, "Recall@2"));
  if (table) CHECK(table.value().columns[0].over_users.deviation > 0.2);
}

TEST_CASE("evaluate_top_n: the order of candidates and of relevant items does not matter") {
  thaw::Philox rng(2);
  auto items = thaw::all_items(50);
  std::vector<float> scores(50);
  for (float& s : scores) s = static_cast<float>(rng.below(12));  // many ties
  Ids relevant{4, 9, 30, 31, 49}, turned{31, 49, 4, 30, 9};
  const Ids known{0, 7};
  for (const auto ties : {thaw::Ties::pessimistic, thaw::Ties::hashed}) {
    const thaw::TopNOptions options{.depths = {5, 10}, .ties = ties};
    const std::vector<thaw::TopNQuery> one{{1, known, relevant}}, two{{1, known, turned}};
    const auto straight = thaw::evaluate_top_n(one, items, FixedScores{scores}, options);
    auto shuffled = items;
    rng.shuffle(shuffled);
    const auto mixed = thaw::evaluate_top_n(two, shuffled, FixedScores{scores}, options);
    for (const char* name : {"Recall@5", "NDCG@5", "NDCG@10", "NDCG@10 (Q places)"})
      CHECK(value(straight, name) == doctest::Approx(value(mixed, name)).epsilon(1e-12));
  }
}

TEST_CASE("evaluate_top_n: agrees with sorting the whole list") {
  thaw::Philox rng(8);
  const auto items = thaw::all_items(200);
  for (int round = 0; round < 20; ++round) {
    std::vector<float> scores(200);
    for (float& s : scores) s = static_cast<float>(rng.uniform());
    Ids mixed = items;
    rng.shuffle(mixed);
    const Ids known(mixed.begin(), mixed.begin() + 20), relevant(mixed.begin() + 20, mixed.begin() + 30);
    Ids list(mixed.begin() + 20, mixed.end());  // all but the known ones
    std::sort(list.begin(), list.end(), [&](std::int32_t a, std::int32_t b) {
      return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
    });
    int hits = 0;
    for (std::size_t place = 0; place < 20; ++place)
      hits += static_cast<int>(std::count(relevant.begin(), relevant.end(), list[place]));
    const std::vector<thaw::TopNQuery> queries{{0, known, relevant}};
    CHECK(value(thaw::evaluate_top_n(queries, items, FixedScores{scores}), "Recall@20") ==
          doctest::Approx(static_cast<double>(hits) / 10));
  }
}

TEST_CASE("evaluate_top_n: a perfect scorer, users without a question, predictors of every kind, paired comparison") {
  const Ids first{1, 2, 3}, second{4}, none;
  const std::vector<thaw::TopNQuery> queries{{0, none, first}, {1, first, none}, {2, first, second}};
  const auto items = thaw::all_items(30);
  const auto oracle = thaw::evaluate_top_n(
      queries, items, [](const thaw::TopNQuery& q, std::span<const std::int32_t> asked, std::span<float> out) {
        for (std::size_t i = 0; i < asked.size(); ++i)
          out[i] = std::find(q.relevant.begin(), q.relevant.end(), asked[i]) != q.relevant.end() ? 1.0f : 0.0f;
      });
  for (const char* name : {"Recall@5", "NDCG@5", "NDCG@10 (Q places)"})
    CHECK(value(oracle, name) == doctest::Approx(1));
  if (!oracle) return;
  CHECK(std::isnan(oracle.value().columns[0].per_user[1]));
  CHECK(oracle.value().columns[0].over_users.count == 2);

  const std::vector<thaw::Rating> ratings{{0, 4, 1}, {1, 4, 1}, {2, 9, 1}};
  const thaw::PopularityPredictor popularity(thaw::Csr::from_ratings(ratings, 30, thaw::Csr::Side::item));
  const auto popular = thaw::evaluate_top_n(queries, items, popularity);  // score_from
  CHECK(popular.ok());
  if (!popular) return;
  CHECK(popular.value().columns[0].per_user[2] == 1);
  CHECK(popular.value().columns[0].per_user[0] == 0);
  CHECK(thaw::evaluate_top_n(queries, items, thaw::RandomPredictor({})).ok());  // score by user number
  const auto better = thaw::compare(oracle.value(), popular.value(), "Recall@5", {.resamples = 100});
  CHECK(better.ok());
  if (better) CHECK(better.value().mean == doctest::Approx(0.5));
}

TEST_CASE("evaluate_top_n: a random scorer finds N of the candidates") {
  const Ids relevant{10, 2000, 6000};
  std::vector<thaw::TopNQuery> queries;
  for (std::int32_t user = 0; user < 500; ++user) queries.push_back({user, {}, relevant});
  const auto table =
      thaw::evaluate_top_n(queries, thaw::all_items(6178), thaw::RandomPredictor({}), {.depths = {1000}});
  CHECK(value(table, "Recall@1000") == doctest::Approx(1000.0 / 6178).epsilon(0.2));  // standard error 0.0095
}

TEST_CASE("evaluate_top_n: bad input") {
  const FixedScores scores{std::vector<float>(8, 0.0f)};
  const Ids one{1}, twice{2, 2}, outside{8}, negative{-1}, two{2};
  const auto items = thaw::all_items(8);
  const auto ask = [&](const Ids& known, const Ids& relevant, const Ids& candidates, std::int32_t n = 5) {
    const std::vector<thaw::TopNQuery> queries{{7, known, relevant}};
    return thaw::evaluate_top_n(queries, candidates, scores, {.depths = {n}});
  };
  CHECK(says(ask(one, one, items), "relevant item 1 of user 7 is known as well"));
  CHECK(says(ask({}, twice, items), "relevant item 2 of user 7 is listed twice"));
  CHECK(says(ask({}, outside, items), "relevant item 8 of user 7 is not a candidate"));
  CHECK(says(ask({}, negative, items), "is not a candidate"));
  CHECK(says(ask({}, one, two), "is not a candidate"));
  CHECK(says(ask({}, two, twice), "candidate 2 is listed twice"));
  CHECK(says(ask({}, two, negative), "candidate -1 is not an item"));
  CHECK(says(ask({}, two, items, 0), "N is 0"));
  CHECK(ask(outside, two, items).ok());  // known items need not be candidates
}

// ---- the published rule ---------------------------------------------------------------------------------------------

// Ten relevant items of a catalogue of 200 in which they are the items 0 to 9.
thaw::TopNScore published(const std::vector<float>& catalogue, std::int32_t n) {
  return thaw::score_published_top_n(std::span(catalogue).first(10), catalogue, n);
}

// Values worked out by another program from the rule.
TEST_CASE("score_published_top_n: even an oracle is capped, because the positives are listed twice") {
  std::vector<float> oracle(200);
  for (std::size_t i = 0; i < oracle.size(); ++i) oracle[i] = static_cast<float>(1000 - i);
  CHECK(published(oracle, 5).recall == doctest::Approx(0.3));
  CHECK(published(oracle, 10).recall == doctest::Approx(0.5));
  CHECK(published(oracle, 20).recall == doctest::Approx(1.0));
  CHECK(published(oracle, 5).ndcg == doctest::Approx(0.4152807).epsilon(1e-6));
  CHECK(published(oracle, 10).ndcg == doctest::Approx(0.5548989).epsilon(1e-6));
  CHECK(published(oracle, 20).ndcg == doctest::Approx(0.8328271).epsilon(1e-6));
}

TEST_CASE("score_published_top_n: a constant scorer with one better item nearly wins, by ties") {
  std::vector<float> constant(200, 1.0f);
  constant[150] = 2.0f;
  CHECK(published(constant, 10).recall == doctest::Approx(0.9));
  CHECK(published(constant, 5).ndcg == doctest::Approx(0.4288398).epsilon(1e-6));
  CHECK(published(constant, 20).ndcg == doctest::Approx(0.8413013).epsilon(1e-6));
  CHECK(published(std::vector<float>(200, 1.0f), 10).recall == 0);  // all of one score
  constant[0] = 0;                                                  // the first entry scores 0
  CHECK(published(constant, 10).recall == 0);
}

TEST_CASE("evaluate_published_top_n: the columns say so, known items stay candidates, random finds little") {
  const Ids relevant = thaw::all_items(10), known{20, 21};
  const std::vector<thaw::TopNQuery> one{{0, known, relevant}};
  std::vector<float> scores(200, 1.0f);
  scores[20] = 2.0f;
  const auto table = thaw::evaluate_published_top_n(one, thaw::all_items(200), FixedScores{scores});
  CHECK(value(table, "Recall@10 (published)") == doctest::Approx(0.9));
  CHECK(value(table, "NDCG@5 (published)") == doctest::Approx(0.4288398).epsilon(1e-6));
  const auto fair = thaw::evaluate_top_n(one, thaw::all_items(200), FixedScores{scores});
  CHECK(value(fair, "Recall@20") == 0);

  std::vector<thaw::TopNQuery> many;
  for (std::int32_t user = 0; user < 300; ++user) many.push_back({user, known, relevant});
  const auto random = thaw::evaluate_published_top_n(many, thaw::all_items(6178), thaw::RandomPredictor({}));
  CHECK(value(random, "Recall@10 (published)") < 0.004);
  CHECK(says(thaw::evaluate_published_top_n(one, thaw::all_items(200), FixedScores{scores}, {.depths = {51}}),
             "between 1 and 50"));
}

}  // namespace
