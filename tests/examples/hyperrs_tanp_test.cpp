// TaNP as a learner: it learns, repeats itself, leaks nothing, and takes any user.
#include <doctest/doctest.h>

#include "../heap_counter.hpp"
#include "hyperrs/tanp.hpp"
#include "rivals_world.hpp"

namespace {

using hyperrs::Objective;
using hyperrs::Variant;

hyperrs::TanpLearner quick(const rivals::Town& town, Variant variant, int threads = 1) {
  hyperrs::LearnerOptions options;
  options.variant = variant;
  options.threads = threads;
  hyperrs::TanpOptions own = hyperrs::tanp_options(town.world, options);
  own.rate = 5e-3;  // the published rate needs a hundred times the passes
  return {town.world, own};
}

}  // namespace

TEST_CASE("training lowers the loss and ranks new users' records above chance [slow]") {
  for (const Variant variant : {Variant::paper, Variant::best}) {
    const rivals::Town town(Objective::ranking);
    auto learner = quick(town, variant);
    const rivals::Progress p = rivals::progress(learner, town, 61);
    MESSAGE("loss " << p.first << " to " << p.last << ", pairs " << p.before << " to " << p.after);
    CHECK(p.last < 0.9 * p.first);
    CHECK(p.after > 0.6);
    CHECK(p.after > p.before);
  }
}

TEST_CASE("training on ratings beats the mean rating for new users, and the support is why [slow]") {
  const rivals::Town town(Objective::rating, {.users = 300, .ratings = 9000});
  auto learner = quick(town, Variant::best);
  for (int i = 0; i < 60; ++i) rivals::pass(learner, town, 16);
  const double error = rivals::absolute_error(learner, town, 1), unadapted = rivals::absolute_error(learner, town, 0);
  const double mean = rivals::absolute_error_of_mean(town);
  MESSAGE("absolute error " << error << ", without support " << unadapted << ", of the mean rating " << mean);
  CHECK(error < 0.9 * mean);
  CHECK(error < 0.9 * unadapted);
}

TEST_CASE("evaluating, in any order and between steps, changes nothing") {
  const rivals::Town town(Objective::ranking);
  auto watched = quick(town, Variant::best), alone = quick(town, Variant::best);
  for (int i = 0; i < 3; ++i) {
    CHECK(rivals::pass(watched, town, 16) == rivals::pass(alone, town, 16));
    CHECK(rivals::repeats_itself(watched, town, 1));
  }
}

TEST_CASE("two threads train the same model as one") {
  const rivals::Town town(Objective::ranking);
  auto one = quick(town, Variant::best, 1), two = quick(town, Variant::best, 2);
  for (int i = 0; i < 2; ++i) CHECK(rivals::pass(one, town, 16) == rivals::pass(two, town, 16));
}

TEST_CASE("the order of the support does not matter, its labels do") {
  const rivals::Town town(Objective::rating);
  auto learner = quick(town, Variant::best);
  rivals::pass(learner, town, 16);
  const thaw::Episode& e = town.fresh[0];
  thaw::Episode::Part turned = e.support;
  std::reverse(turned.items.begin(), turned.items.end());
  std::reverse(turned.labels.begin(), turned.labels.end());
  const auto straight = rivals::scores(*learner.adapt(e.user, e.support, 1), e.query.items);
  const auto reversed = rivals::scores(*learner.adapt(e.user, turned, 1), e.query.items);
  for (std::size_t i = 0; i < straight.size(); ++i) CHECK(straight[i] == doctest::Approx(reversed[i]).epsilon(1e-5));
  thaw::Episode::Part liked = e.support;
  for (float& y : liked.labels) y = 6 - y;
  CHECK(rivals::scores(*learner.adapt(e.user, liked, 1), e.query.items) != straight);
}

TEST_CASE("a new user's id is never read, a training user's is") {
  const rivals::Town town(Objective::ranking);
  auto learner = quick(town, Variant::paper);
  const thaw::Episode& e = town.fresh[0];
  const auto own = rivals::scores(*learner.adapt(e.user, e.support, 1), e.query.items);
  for (const std::int32_t other : {town.fresh[1].user, -1, 1 << 20})
    CHECK(rivals::scores(*learner.adapt(other, e.support, 1), e.query.items) == own);
  CHECK(rivals::scores(*learner.adapt(town.training[0].user, e.support, 1), e.query.items) != own);
}

TEST_CASE("any user is defined") {
  rivals::Town town(Objective::rating);
  town.data.items.attributes[0].offsets.back() = town.data.items.attributes[0].offsets.end()[-2];  // no genre
  for (const Variant variant : {Variant::paper, Variant::best}) {
    auto learner = quick(town, variant);
    const std::int32_t last = town.data.items.size() - 1;
    const std::vector<std::int32_t> items{0, 5, 5, last, -1, last + 7};  // the last two do not exist
    const thaw::Episode::Part empty, one{{3}, {4}, {}}, repeated{{3, 3, 3}, {4, 4, 4}, {}}, strange{{-1}, {2}, {}};
    for (const auto* support : {&empty, &one, &repeated, &strange})
      CHECK(rivals::all_finite(rivals::scores(*learner.adapt(0, *support, 1), items)));
    const auto y = rivals::scores(*learner.adapt(0, one, 1), items);
    CHECK(y[1] == y[2]);
    CHECK(y[4] == y[5]);
    CHECK(rivals::scores(*learner.adapt(0, repeated, 1), items)[0] == doctest::Approx(y[0]).epsilon(1e-5));
    CHECK(rivals::scores(*learner.adapt(0, one, 0), items) == rivals::scores(*learner.adapt(0, empty, 1), items));
    thaw::Episode none, half{7, one, {}}, other{8, {}, one};
    CHECK(learner.train(std::vector{none}) == 0);
    CHECK(std::isfinite(learner.train(std::vector{half, none, other})));
    CHECK(rivals::all_finite(rivals::scores(*learner.adapt(0, one, 1), items)));
    CHECK(rivals::scores(*learner.adapt(0, one, 1), {}).empty());
  }
}

TEST_CASE("training takes nothing from the heap once it is warm") {
  const rivals::Town town(Objective::ranking);
  auto learner = quick(town, Variant::best);
  rivals::pass(learner, town, 16);
  const long before = thaw_test::heap_allocations();
  const double loss = rivals::pass(learner, town, 16);
  CHECK(thaw_test::heap_allocations() == before);
  CHECK(loss > 0);
}
