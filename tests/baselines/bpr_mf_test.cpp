#include "thaw/baselines/bpr_mf.hpp"

#include "tests/baselines/history_fixture.hpp"

namespace {

using thaw::BprMfPredictor;
using thaw::Index;

double loss_of(const std::vector<double>& u, const std::vector<double>& l, const std::vector<double>& o, double decay) {
  double difference = 0, squares = 0;
  for (std::size_t j = 0; j < u.size(); ++j) {
    difference += u[j] * (l[j] - o[j]);
    squares += u[j] * u[j] + l[j] * l[j] + o[j] * o[j];
  }
  return std::log1p(std::exp(-difference)) + decay / 2 * squares;
}

TEST_CASE("BprMfPredictor: a step is the gradient of the loss by central differences") {
  const auto graph = thaw_test::renumbered(2).graph;
  const auto x = thaw::Interactions::from_graph(graph).value();
  for (const Index width : {1, 6, 16, 64}) {
    const double rate = 0.5, decay = 0.2;
    auto made = BprMfPredictor::start(x, {.width = width, .learning_rate = rate, .decay = decay, .deviation = 0.5});
    CHECK(made.ok());
    if (!made) return;
    BprMfPredictor& p = made.value();
    const auto copy = [](std::span<const float> row) { return std::vector<double>(row.begin(), row.end()); };
    std::vector<double> rows[3] = {copy(p.user_row(4)), copy(p.item_row(7)), copy(p.item_row(9))};
    p.step({4, 7, 9});
    const std::vector<double> after[3] = {copy(p.user_row(4)), copy(p.item_row(7)), copy(p.item_row(9))};
    const auto loss = [&] { return loss_of(rows[0], rows[1], rows[2], decay); };
    for (std::size_t r = 0; r < 3; ++r)
      for (std::size_t j = 0; j < rows[r].size(); ++j) {
        const double kept = rows[r][j], h = 1e-4;
        rows[r][j] = kept + h;
        const double up = loss();
        rows[r][j] = kept - h;
        const double slope = (up - loss()) / (2 * h);
        rows[r][j] = kept;
        CHECK(std::fabs((kept - after[r][j]) / rate - slope) < 1e-5);
      }
  }
}

// At equal scores the loss is log 2 and the slope 1/2.
TEST_CASE("BprMfPredictor: half a step at equal scores") {
  const auto x = thaw::Interactions::from_graph(thaw_test::four_users()).value();
  auto made = BprMfPredictor::start(x, {.width = 2, .learning_rate = 0.1, .decay = 0});
  CHECK(made.ok());
  if (!made) return;
  BprMfPredictor& p = made.value();
  const float liked = p.item_row(3)[0], user = p.user_row(1)[0];
  p.step({1, 3, 3});  // the same item on both sides: the user's row must stay
  CHECK(p.user_row(1)[0] == user);
  CHECK(std::fabs(p.item_row(3)[0] - (liked - 0.1f * 0.5f * user)) < 1e-6f);  // the last write wins
}

// Two groups that never meet.
thaw::RatingGraph two_groups() {
  thaw::Philox rng(6);
  std::vector<thaw::Rating> ratings;
  for (std::int32_t user = 0; user < 60; ++user)
    for (int i = 0; i < 6; ++i) ratings.push_back({user, user % 2 + 2 * static_cast<std::int32_t>(rng.below(15)), 1});
  return thaw::RatingGraph::from_ratings(ratings, 60, 30);
}

int users_with_own_group_first(const BprMfPredictor& p) {
  const auto items = thaw_test::numbers(30);
  std::vector<float> out(30);
  int right = 0;
  for (std::int32_t user = 0; user < 60; ++user) {
    p.score(user, items, out);
    const auto best = std::max_element(out.begin(), out.end()) - out.begin();
    right += best % 2 == user % 2 ? 1 : 0;
  }
  return right;
}

TEST_CASE("BprMfPredictor: groups are told apart; without threads the same every time") {
  const auto graph = two_groups();
  const auto a = BprMfPredictor::fit(graph, {.width = 8, .epochs = 60}),
             b = BprMfPredictor::fit(graph, {.width = 8, .epochs = 60});
  const auto together = BprMfPredictor::fit(graph, {.width = 8, .epochs = 60, .threads = 2});
  CHECK(a.ok());
  if (!a || !b || !together) return;
  CHECK(users_with_own_group_first(a.value()) >= 59);
  CHECK(users_with_own_group_first(together.value()) >= 58);
  for (std::int32_t i = 0; i < 30; ++i)
    for (std::size_t j = 0; j < 8; ++j) CHECK(a.value().item_row(i)[j] == b.value().item_row(i)[j]);
}

TEST_CASE("BprMfPredictor: bad input") {
  thaw_test::hold_bad_graphs([](const thaw::RatingGraph& graph) { return BprMfPredictor::fit(graph); });
  const auto graph = thaw_test::four_users();
  CHECK(thaw_test::fault_says(BprMfPredictor::fit(graph, {.width = 0}), "width 0"));
  CHECK(thaw_test::fault_says(BprMfPredictor::fit(graph, {.learning_rate = std::nan("")}), "rate nan"));
  const std::vector<thaw::Rating> all{{0, 0, 1}, {0, 1, 1}};
  CHECK(thaw_test::fault_says(BprMfPredictor::fit(thaw::RatingGraph::from_ratings(all, 1, 2)), "nothing to rank"));
}

}  // namespace
