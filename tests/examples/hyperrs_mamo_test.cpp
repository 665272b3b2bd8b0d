// MAMO as a learner: it learns, repeats itself, writes its memories in training alone, and takes any user.
#include <doctest/doctest.h>

#include "../heap_counter.hpp"
#include "hyperrs/mamo.hpp"
#include "rivals_world.hpp"

namespace {

using hyperrs::Objective;
using hyperrs::Variant;

hyperrs::MamoLearner quick(const rivals::Town& town, Variant variant, int threads = 1, bool first_order = false) {
  hyperrs::LearnerOptions options{
      .variant = variant, .width = 8, .first_order = first_order, .inner_steps = 3, .threads = threads};
  hyperrs::MamoOptions own = hyperrs::mamo_options(town.world, options);
  own.sizes.width = 8;  // the published width is for real data
  if (variant == Variant::best) own.rate = 5e-3;
  return {town.world, own};
}

std::vector<float> numbers(const hyperrs::MamoLearner& learner) {
  std::vector<float> out;
  thaw::for_each_unnamed([&](const auto& a) { out.insert(out.end(), a.begin(), a.end()); }, learner.memory());
  return out;
}

}  // namespace

TEST_CASE("training lowers the loss and ranks new users' records above chance") {
  const rivals::Town town(Objective::ranking);
  auto learner = quick(town, Variant::best);
  const rivals::Progress p = rivals::progress(learner, town, 31);
  MESSAGE("loss " << p.first << " to " << p.last << ", pairs " << p.before << " to " << p.after);
  CHECK(p.last < 0.95 * p.first);
  CHECK(p.after > 0.55);
  CHECK(p.after > p.before);
}

TEST_CASE("training on ratings beats the mean rating for new users, and the support is why [slow]") {
  for (const Variant variant : {Variant::paper, Variant::best}) {
    const rivals::Town town(Objective::rating, {.users = 300, .ratings = 9000});
    auto learner = quick(town, variant);
    CHECK(learner.levels() == std::vector<float>{1, 2, 3, 4, 5});
    const double first = rivals::pass(learner, town, 8);
    double last = 0;
    for (int i = 0; i < 40; ++i) last = rivals::pass(learner, town, 8);
    const double error = rivals::absolute_error(learner, town, 3), unadapted = rivals::absolute_error(learner, town, 0);
    const double mean = rivals::absolute_error_of_mean(town);
    MESSAGE("loss " << first << " to " << last << ", absolute error " << error << ", without support " << unadapted
                    << ", of the mean rating " << mean);
    CHECK(last < first - 0.05);
    CHECK(error < 0.95 * mean);
    CHECK(error < 0.95 * unadapted);
  }
}

TEST_CASE("evaluating, in any order and between steps, changes nothing; training writes the memories") {
  const rivals::Town town(Objective::ranking);
  for (const Variant variant : {Variant::paper, Variant::best}) {
    auto watched = quick(town, variant), alone = quick(town, variant);
    for (int i = 0; i < 2; ++i) {
      const std::vector<float> start = numbers(watched);
      CHECK(rivals::pass(watched, town, 16) == rivals::pass(alone, town, 16));
      const std::vector<float> kept = numbers(watched);
      CHECK(kept != start);
      CHECK(rivals::all_finite(kept));
      CHECK(rivals::repeats_itself(watched, town, 2));
      CHECK(numbers(watched) == kept);
    }
  }
}

TEST_CASE("two threads train the same model as one, first order another than exact") {
  const rivals::Town town(Objective::ranking);
  auto one = quick(town, Variant::best, 1), two = quick(town, Variant::best, 2);
  auto first_order = quick(town, Variant::best, 1, true);
  CHECK(rivals::pass(one, town, 16) == rivals::pass(two, town, 16));
  rivals::pass(first_order, town, 16);
  const double exact = rivals::pass(one, town, 16);
  CHECK(exact == rivals::pass(two, town, 16));
  CHECK(exact != rivals::pass(first_order, town, 16));
}

TEST_CASE("steps move a user towards her support, and zero steps leave her profile's start") {
  const rivals::Town town(Objective::rating);
  auto learner = quick(town, Variant::best);
  rivals::pass(learner, town, 16);
  const thaw::Episode& e = town.fresh[0];
  const auto error = [&](int steps) {
    const auto y = rivals::scores(*learner.adapt(e.user, e.support, steps), e.support.items);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += std::abs(static_cast<double>(y[i] - e.support.labels[i]));
    return sum;
  };
  CHECK(error(60) < 0.95 * error(0));
  const auto other = town.fresh[1].support;
  CHECK(rivals::scores(*learner.adapt(e.user, e.support, 0), e.query.items) ==
        rivals::scores(*learner.adapt(e.user, other, 0), e.query.items));
}

TEST_CASE("any user is defined") {
  rivals::Town town(Objective::rating);
  town.data.items.attributes[0].offsets.back() = town.data.items.attributes[0].offsets.end()[-2];  // no genre
  for (const bool attributes : {true, false}) {
    if (!attributes) town.data.users.attributes.clear(), town.data.items.attributes.clear();
    for (const Variant variant : {Variant::paper, Variant::best}) {
      auto learner = quick(town, variant);
      const std::int32_t last = town.data.items.size() - 1;
      const std::vector<std::int32_t> items{0, 5, 5, last, -1, last + 7};  // the last two do not exist
      const thaw::Episode::Part empty, one{{3}, {4}, {}}, repeated{{3, 3, 3}, {4, 4, 4}, {}}, strange{{-1}, {99}, {}};
      for (const std::int32_t user : {0, -1, 1 << 20})
        for (const auto* support : {&empty, &one, &repeated, &strange})
          CHECK(rivals::all_finite(rivals::scores(*learner.adapt(user, *support, 2), items)));
      const auto y = rivals::scores(*learner.adapt(0, one, 2), items);
      CHECK(y[1] == y[2]);
      CHECK(y[4] == y[5]);
      for (const float rating : y) CHECK((rating >= 1 && rating <= 5));
      CHECK(rivals::scores(*learner.adapt(0, one, 0), items) == rivals::scores(*learner.adapt(0, empty, 2), items));
      thaw::Episode none, half{7, one, {}}, other{8, {}, one};
      CHECK(learner.train(std::vector{none, half}) == 0);
      CHECK(std::isfinite(learner.train(std::vector{half, none, other})));
      CHECK(rivals::scores(*learner.adapt(0, one, 2), {}).empty());
    }
  }
}

TEST_CASE("training takes nothing from the heap once it is warm") {
  const rivals::Town town(Objective::ranking);
  for (const Variant variant : {Variant::paper, Variant::best}) {
    auto learner = quick(town, variant);
    rivals::pass(learner, town, 16);
    const long before = thaw_test::heap_allocations();
    const double loss = rivals::pass(learner, town, 16);
    CHECK(thaw_test::heap_allocations() == before);
    CHECK(loss > 0);
  }
}
