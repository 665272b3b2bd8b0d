// On-line adaptation: one rating at a time gives what all at once give, inside the promised buffer.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "../heap_counter.hpp"
#include "hyperrs/adapt_online.hpp"
#include "hyperrs/adapt_online_steps.hpp"
#include "hyperrs/online_rules.hpp"
#include "hyperrs/rating_factors.hpp"
#include "hyperrs/tanp.hpp"
#include "rivals_world.hpp"
#include "thaw/meta/unroll.hpp"

namespace {

using thaw::Index;
using A = thaw::Array<float>;

// A trained learner, its network as the portable engine sees it, and its items as plain lists.
struct Shop {
  rivals::Town town;
  hyperrs::TanpLearner learner;
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  hyperrs::Tanp<A> net;
  std::vector<std::int32_t> ids;
  hyperrs::OnlineItems items;

  static hyperrs::TanpOptions options(const rivals::Town& town) {
    hyperrs::TanpOptions own = hyperrs::tanp_options(town.world, {.variant = hyperrs::Variant::best});
    own.rate = 5e-3;
    return own;
  }
  Shop() : town(hyperrs::Objective::rating), learner(town.world, options(town)) {
    for (int i = 0; i < 5; ++i) rivals::pass(learner, town, 16);
    net = thaw::map_unnamed<A>(learner.network(), [&](const auto& a) { return thaw::on<thaw::Cpu>(context, a); });
    for (std::int32_t i = 0; i < town.data.items.size(); ++i)
      ids.push_back(town.world.train.by_item.row(i).empty() ? -1 : i);
    items.count = town.data.items.size();
    items.fields[items.field_count++] = {nullptr, ids.data()};
    for (const thaw::Attribute& a : town.data.items.attributes)
      items.fields[items.field_count++] = {a.offsets.data(), a.ids.data()};
  }
};

}  // namespace

TEST_CASE("a user who rates one item after another is the user who is given them at once") {
  const Shop shop;
  const thaw::Episode& e = shop.town.fresh[0];
  std::vector<unsigned char> buffer(hyperrs::OnlineTanp<>::scratch_bytes(shop.net.sizes) + 64);
  std::vector<hyperrs::OnlineRating<float>> ratings;
  for (std::size_t i = 0; i < e.support.items.size(); ++i) ratings.push_back({e.support.items[i], e.support.labels[i]});
  const float centre = shop.learner.options().centre;
  auto user =
      hyperrs::adapt<float, thaw::Cpu>(shop.net, shop.items, ratings.data(), 3, buffer.data(), buffer.size(), centre);
  std::vector<std::int32_t> all;
  for (std::int32_t i = -1; i < shop.town.data.items.size() + 2; ++i) all.push_back(i);
  std::vector<float> online(all.size());
  for (std::size_t seen = 3;; ++seen) {
    // The learner's own adaptation of someone without attributes.
    thaw::Episode::Part part;
    for (std::size_t i = 0; i < seen; ++i)
      part.items.push_back(ratings[i].item), part.labels.push_back(ratings[i].label);
    const std::vector<float> batch = rivals::scores(*shop.learner.adapt(-1, part, 1), all);
    user.score(all.data(), static_cast<Index>(all.size()), online.data());
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(online[i] == doctest::Approx(batch[i]).epsilon(1e-4));
    if (seen == ratings.size()) break;
    user.add(ratings[seen]);
  }
  CHECK(user.records() == static_cast<Index>(ratings.size()));
  // Taking a rating back leaves the scores from before it.
  const std::vector<float> before = online;
  user.add({7, 1});
  user.score(all.data(), static_cast<Index>(all.size()), online.data());
  CHECK(online != before);
  user.remove({7, 1});
  user.score(all.data(), static_cast<Index>(all.size()), online.data());
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(online[i] == doctest::Approx(before[i]).epsilon(1e-4));
  CHECK(user.peak_bytes() <= hyperrs::OnlineTanp<>::scratch_bytes(shop.net.sizes));
}

TEST_CASE("on-line adaptation and scoring take nothing from the heap, and a thousand ratings no more memory than one") {
  const Shop shop;
  std::vector<unsigned char> buffer(hyperrs::OnlineTanp<>::scratch_bytes(shop.net.sizes) + 64);
  std::vector<float> out(60);
  std::vector<std::int32_t> all(60);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int32_t>(i);
  const long before = thaw_test::heap_allocations();
  hyperrs::OnlineTanp<> user(shop.net, shop.items, nullptr, 0, buffer.data(), buffer.size());
  user.add({3, 4});
  user.score(all.data(), 60, out.data());
  const std::size_t peak = user.peak_bytes();
  for (int i = 0; i < 1000; ++i) user.add({i % 60, static_cast<float>(i % 5 + 1)});
  user.score(all.data(), 60, out.data());
  CHECK(thaw_test::heap_allocations() == before);
  CHECK(user.peak_bytes() == peak);
  CHECK(rivals::all_finite(out));
}

TEST_CASE("recursive least squares solve the normal equations") {
  constexpr Index kWidth = 3, kItems = 6;
  double factors[kItems * kWidth], base[kItems];
  for (Index i = 0; i < kItems * kWidth; ++i) factors[i] = std::sin(1.0 + 0.7 * static_cast<double>(i * i));
  for (Index i = 0; i < kItems; ++i) base[i] = 3 + 0.1 * static_cast<double>(i);
  const hyperrs::OnlineRating<double> ratings[] = {{0, 5}, {3, 2}, {3, 2.5}, {5, 4}, {1, 1}};
  double scratch[hyperrs::OnlineRidge<double>::scratch_numbers(kWidth)];
  hyperrs::OnlineRidge<double> user(factors, base, kWidth, 0.7, scratch);
  for (Index i = 0; i < kItems; ++i) CHECK(user.score(static_cast<std::int32_t>(i)) == base[i]);
  for (const auto& r : ratings) user.add(r);
  double w[kWidth];  // read off by scores: w = F^-1 (score - base) of the first three items, by Cramer's rule
  const double* f = factors;
  const auto det = [](const double* a, const double* b, const double* c) {
    return a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0]);
  };
  double rows[3][3], y[3];
  for (int i = 0; i < 3; ++i) {
    y[i] = user.score(i) - base[i];
    for (int j = 0; j < 3; ++j) rows[i][j] = f[i * kWidth + j];
  }
  const double whole = det(rows[0], rows[1], rows[2]);
  for (int k = 0; k < 3; ++k) {
    double changed[3][3];
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) changed[i][j] = j == k ? y[i] : rows[i][j];
    w[k] = det(changed[0], changed[1], changed[2]) / whole;
  }
  // The gradient of sum (base + w q - label)^2 + 0.7 |w|^2 is zero.
  for (int k = 0; k < 3; ++k) {
    double gradient = 0.7 * w[k];
    for (const auto& r : ratings) {
      double predicted = base[r.item];
      for (int j = 0; j < 3; ++j) predicted += w[j] * factors[r.item * kWidth + j];
      gradient += (predicted - r.label) * factors[r.item * kWidth + k];
    }
    CHECK(std::abs(gradient) < 1e-10);
  }
  // What is taken back was never there: the scores are those of a user who gave the rest alone.
  double other_scratch[hyperrs::OnlineRidge<double>::scratch_numbers(kWidth)];
  hyperrs::OnlineRidge<double> other(factors, base, kWidth, 0.7, other_scratch);
  for (const int n : {1, 2, 4}) other.add(ratings[n]);
  user.remove(ratings[0]), user.remove(ratings[3]);
  for (std::int32_t i = 0; i < kItems; ++i) CHECK(user.score(i) == doctest::Approx(other.score(i)).epsilon(1e-12));
  for (const int n : {1, 2, 4}) user.remove(ratings[n]);
  for (std::int32_t i = 0; i < kItems; ++i) CHECK(user.score(i) == doctest::Approx(base[i]).epsilon(1e-12));
}

TEST_CASE("gradient steps on-line are the unrolled inner loop on what is remembered") {
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  thaw::Parameters<thaw::Mlp<thaw::Spec>> tower(thaw::mlp_spec({3, 4, 1}, thaw::Activation::relu), context, 5);
  using Steps = hyperrs::OnlineSteps<thaw::Mlp<A>>;
  const hyperrs::OnlineStepsOptions options{.steps = 3, .rate = 0.05, .capacity = 4};
  std::vector<unsigned char> buffer(Steps::scratch_bytes(tower.values(), 3, options) + thaw::kAlignment);
  Steps user(tower.values(), 3, options, buffer.data(), buffer.size());
  std::vector<float> x, y;
  std::size_t peak = 0;
  for (int n = 0; n < 9; ++n) {
    for (int j = 0; j < 3; ++j) x.push_back(static_cast<float>(std::sin(1.0 + 3 * n + j)));
    y.push_back(static_cast<float>(n % 5 + 1));
    const long before = thaw_test::heap_allocations();
    user.add(x.data() + 3 * n, y.back());
    CHECK(thaw_test::heap_allocations() == before);
    if (n == 3) peak = user.peak_bytes();
    thaw::Tape<float> tape(context);
    const auto rows = static_cast<std::size_t>((std::min)(n + 1, 4)), skipped = y.size() - rows;
    const auto fast = thaw::unroll(tower.on(tape), 3, 0.05, [&](int, const auto& local) {
      return thaw::mse(local(A::view(context, x.data() + 3 * skipped, {static_cast<Index>(rows), 3})),
                       A::view(context, y.data() + skipped, {static_cast<Index>(rows), 1}));
    });
    float expected[2], given[2];
    const auto out = fast(A::view(context, x.data(), {1, 3}));
    expected[0] = out.item();
    user.score(x.data(), 1, given);
    CHECK(given[0] == doctest::Approx(expected[0]).epsilon(1e-4));
  }
  CHECK(user.peak_bytes() == peak);
  CHECK(user.records() == 4);
  // Two taken back, one of which is forgotten already: the rest alone.
  user.remove(x.data() + 3 * 6, y[6]);
  user.remove(x.data(), y[0]);
  CHECK(user.records() == 3);
  std::vector<unsigned char> other_buffer(buffer.size());
  Steps other(tower.values(), 3, options, other_buffer.data(), other_buffer.size());
  for (const int n : {5, 7, 8}) other.add(x.data() + 3 * n, y[static_cast<std::size_t>(n)]);
  float left[9], wanted[9];
  user.score(x.data(), 9, left);
  other.score(x.data(), 9, wanted);
  for (int n = 0; n < 9; ++n) CHECK(left[n] == wanted[n]);
  for (const int n : {5, 7, 8}) user.remove(x.data() + 3 * n, y[static_cast<std::size_t>(n)]);
  user.score(x.data(), 9, left);
  const auto start = tower.values()(A::view(context, x.data(), {9, 3}));
  for (Index n = 0; n < 9; ++n) CHECK(left[n] == doctest::Approx(start[n]).epsilon(1e-6));
}

TEST_CASE("the promised buffer of gradient steps is enough for other towers and capacities") {
  for (const Index width : {Index(1), Index(40)})
    for (const Index hidden : {Index(2), Index(64)})
      for (const Index capacity : {Index(1), Index(7), Index(100)}) {
        thaw::GrowingArena arena;
        thaw::Cpu::Context context{&arena};
        const auto plan = thaw::mlp_spec({width, hidden, hidden, 1}, thaw::Activation::relu);
        thaw::Parameters<thaw::Mlp<thaw::Spec>> tower(plan, context, 5);
        using Steps = hyperrs::OnlineSteps<thaw::Mlp<A>>;
        const hyperrs::OnlineStepsOptions options{.steps = 2, .rate = 0.01, .capacity = capacity};
        const std::size_t promised = Steps::scratch_bytes(tower.values(), width, options);
        std::vector<unsigned char> buffer(promised + thaw::kAlignment);
        Steps user(tower.values(), width, options, buffer.data(), buffer.size());
        const std::vector<float> x(static_cast<std::size_t>(width * 200), 0.1F);
        std::vector<float> y(200);
        for (Index n = 0; n <= capacity; ++n) user.add(x.data() + n % 200 * width, 1);
        user.score(x.data(), 200, y.data());
        CHECK(rivals::all_finite(y));
        CHECK(user.peak_bytes() <= promised);
        CHECK(promised < 3 * user.peak_bytes() + 65536);
      }
}

TEST_CASE("rating factors find what ratings are made of, and the online rule reads it from ten ratings") {
  const rivals::Town town(hyperrs::Objective::rating, {.users = 400, .ratings = 16000, .support = 10});
  const hyperrs::RatingFactors factors(town.world, {});
  double errors[2] = {0, 0}, count = 0;  // before and after the ratings
  for (const thaw::Episode& e : town.fresh) {
    std::vector<float> scratch(static_cast<std::size_t>(hyperrs::OnlineRidge<>::scratch_numbers(factors.width())));
    hyperrs::OnlineRidge<> user(factors.items(), factors.base(), factors.width(), factors.penalty(), scratch.data());
    for (double& error : errors) {
      for (std::size_t i = 0; i < e.query.items.size(); ++i)
        error += std::fabs(static_cast<double>(user.score(e.query.items[i]) - e.query.labels[i]));
      for (std::size_t i = 0; i < e.support.items.size(); ++i) user.add({e.support.items[i], e.support.labels[i]});
    }
    count += static_cast<double>(e.query.items.size());
  }
  MESSAGE("absolute error ", errors[0] / count, " before, ", errors[1] / count, " after");
  CHECK(errors[0] / count < rivals::absolute_error_of_mean(town));
  CHECK(errors[1] < 0.92 * errors[0]);
}

TEST_CASE("every online rule: no rating, one, equal ones, repeated items; what is taken back leaves no trace") {
  auto loaded = hyperrs::load_task("generated", {.cold_items = 0.1, .objective = hyperrs::Objective::rating});
  CHECK(loaded.ok());
  if (!loaded) return;
  hyperrs::Task& task = loaded.value();
  task.data.users.attributes.clear();
  std::vector<std::int32_t> all;
  for (std::int32_t i = 0; i < task.data.items.size(); ++i) all.push_back(i);
  std::vector<float> start(all.size()), now(all.size()), again(all.size());
  for (const char* rule : {"tanp", "ridge", "steps"}) {
    INFO(rule);
    int passes = 0;
    const auto model =
        hyperrs::make_online_model(rule, task, {.passes = 2, .on_pass = [&](int pass, int, double) { passes = pass; }});
    CHECK((passes == 2 || std::string_view(rule) == "ridge"));
    const auto user = model->user(), other = model->user();
    CHECK(user->scratch_bytes() > 0);
    user->score(all, start);
    CHECK(rivals::all_finite(start));
    user->add({3, 5});
    user->score(all, now);
    CHECK(rivals::all_finite(now));
    CHECK(now != start);
    for (int n = 0; n < 200; ++n) user->add({7, 1});
    user->score(all, now);
    CHECK(rivals::all_finite(now));
    other->score(all, again);
    CHECK(again == start);  // users share nothing that moves
    for (int n = 0; n < 200; ++n) user->remove({7, 1});
    user->remove({3, 5});
    user->score(all, now);
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(std::fabs(now[i] - start[i]) < 2e-2F);
  }
  CHECK(hyperrs::make_online_model("guess", task, {}) == nullptr);
}
