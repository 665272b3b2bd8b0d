#include "thaw/baselines/click_counts.hpp"

#include <doctest/doctest.h>

#include <cmath>

using doctest::Approx;

namespace {

using Ids = std::vector<std::int32_t>;
using Floats = std::vector<float>;

double logit(double rate) { return std::log(rate / (1 - rate)); }

}  // namespace

TEST_CASE("rates are drawn to the prior by as many impressions as asked for") {
  thaw::ClickCounts counts(3, 2, {.user_pseudo = 10, .item_pseudo = 5});
  counts.learn_users(Ids{0, 0, 0, 1, 1}, Floats{1, 1, 1, 0, 0});
  const double prior = 3.5 / 6.0;  // half a click on either side
  CHECK(counts.user_prior() == Approx(prior));
  CHECK(counts.item_prior() == Approx(prior));
  CHECK(counts.user_logit(0) == Approx(logit((3 + 10 * prior) / 13)));
  CHECK(counts.user_logit(1) == Approx(logit((0 + 10 * prior) / 12)));
  CHECK(counts.user_logit(2) == Approx(logit(prior)));        // never seen
  CHECK(counts.user_logit(-1) == Approx(logit(prior)));       // unknown
  CHECK(counts.logit(0, 0) == Approx(counts.user_logit(0)));  // no item is known: the user alone
  counts.learn_items(Ids{0, 0, 0, 0}, Floats{0, 0, 0, 1});
  const double item_prior = 1.5 / 5.0;
  CHECK(counts.item_prior() == Approx(item_prior));
  CHECK(counts.item_logit(0) == Approx(logit((1 + 5 * item_prior) / 9)));
  CHECK(counts.item_logit(1) == Approx(logit(item_prior)));
  CHECK(counts.logit(0, 0) == Approx(counts.user_logit(0) - logit(prior) + counts.item_logit(0)));
  CHECK(static_cast<double>(counts.probability(0, 0)) == Approx(1 / (1 + std::exp(-counts.logit(0, 0)))));
  Floats out(2);
  counts.score(Ids{0, 1}, Ids{0, 1}, out);
  CHECK(out[0] == counts.probability(0, 0));
  CHECK(out[1] == counts.probability(1, 1));
}

TEST_CASE("learning in parts is learning at once, and labels of one kind stay finite") {
  thaw::ClickCounts parts(2, 2), whole(2, 2);
  parts.learn_items(Ids{0, 1}, Floats{1, 1});
  parts.learn_items(Ids{0}, Floats{1});
  whole.learn_items(Ids{0, 1, 0}, Floats{1, 1, 1});
  for (const std::int32_t item : {0, 1}) CHECK(parts.item_logit(item) == whole.item_logit(item));
  CHECK(std::isfinite(whole.logit(0, 0)));
  CHECK(whole.item_logit(0) > whole.item_logit(1));  // more likes of the same kind
  const thaw::ClickCounts nothing(1, 1);
  CHECK(nothing.probability(0, 0) == 0.5f);
}
