// Count-aware vectors: the solver against known matrices, the vector as the minimum of its objective, and what the
// number of impressions does.
#include "mwuf/count_aware.hpp"
#include "tests/examples/mwuf_world.hpp"

using namespace mwuf_test;

namespace {

// Half the squared distance to the prior in the metric of its precision, and the click losses.
double objective(const mwuf::CountAware& method, mwuf::ClickBase& base, const mwuf::Task& task, mwuf::Rows rows,
                 std::int32_t item, const std::vector<float>& vector, double strength) {
  const std::size_t size = vector.size();
  double sum = 0;
  for (std::size_t a = 0; a < size; ++a)
    for (std::size_t b = 0; b < size; ++b)
      sum += 0.5 * strength * method.precision()[a * size + b] *
             (static_cast<double>(vector[a]) - static_cast<double>(method.prior(item)[a])) *
             (static_cast<double>(vector[b]) - static_cast<double>(method.prior(item)[b]));
  mwuf::Batches batches(task, static_cast<thaw::Index>(rows.size()));
  std::vector<float> vectors, logits(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) vectors.insert(vectors.end(), vector.begin(), vector.end());
  const auto& batch = batches.fill(rows);
  base.score(batch, vectors.data(), logits.data());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double z = static_cast<double>(logits[i]);
    sum += std::log1p(std::exp(-std::fabs(z))) + (std::max)(z, 0.0) - z * static_cast<double>(batch.labels[i]);
  }
  return sum;
}

std::vector<std::int32_t> rows_of(const mwuf::ClickWorld& world, mwuf::Rows rows, std::int32_t item) {
  std::vector<std::int32_t> out;
  for (const std::int32_t r : rows)
    if (world.item_of(r) == item) out.push_back(r);
  return out;
}

std::vector<float> vector_of(mwuf::WarmUp& method, std::int32_t item) {
  return {method.ids().row(item), method.ids().row(item) + method.ids().width()};
}

}  // namespace

TEST_CASE("linear systems: by hand, and a matrix times its inverse") {
  std::vector<double> a{4, 2, 2, 3}, b{2, 5};  // 4x + 2y = 2, 2x + 3y = 5
  CHECK(mwuf::detail::solve_in_place(a, b, 2));
  CHECK(b[0] == doctest::Approx(-0.5));
  CHECK(b[1] == doctest::Approx(2.0));
  std::vector<double> not_positive{1, 2, 2, 1}, c{1, 1};
  CHECK(!mwuf::detail::solve_in_place(not_positive, c, 2));
  const std::vector<double> m{5, 1, 2, 1, 4, -1, 2, -1, 6};
  const std::vector<double> inverse = mwuf::detail::inverse_of(m, 3);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < 3; ++k) sum += m[i * 3 + k] * inverse[k * 3 + j];
      CHECK(std::fabs(sum - (i == j ? 1 : 0)) < 1e-12);
    }
}

TEST_CASE("count-aware: the vector is the minimum of its objective") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  for (const bool bias : {false, true}) {
    const auto base = click_base(world, "fm", bias, 10);
    mwuf::CountAware method(*base, world, {});
    method.learn();
    method.arrive();
    method.observe(task.split.slices[0]);
    method.fit(task.split.slices[0], {.strength = 0.5});
    const std::int32_t item = kOldItems + 2;
    const auto rows = rows_of(world, task.split.slices[0], item);
    CHECK(rows.size() == 3);
    const std::vector<float> best = vector_of(method, item);
    const double least = objective(method, *base, task, rows, item, best, 0.5);
    for (std::size_t d = 0; d < best.size(); ++d) {
      std::vector<float> up = best, down = best;
      up[d] += 1e-2F, down[d] -= 1e-2F;
      const double above = objective(method, *base, task, rows, item, up, 0.5),
                   below = objective(method, *base, task, rows, item, down, 0.5);
      CHECK(above > least);
      CHECK(below > least);
      // The slope is nothing beside the curvature.
      CHECK(std::fabs(above - below) / 2e-2 < 1e-3 * (above + below - 2 * least) / 1e-4 + 1e-4);
    }
    CHECK(least <
          objective(method, *base, task, rows, item, {method.prior(item).begin(), method.prior(item).end()}, 0.5) -
              1e-3);
  }
}

TEST_CASE("count-aware: a strong prior holds, a weak one yields, and slices add up whatever their order") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world, "fm", true, 10);
  mwuf::CountAware method(*base, world, {});
  method.learn();
  const std::int32_t item = kOldItems + 1;
  const auto distance = [&](double strength, int slices) {
    method.arrive();
    for (int s = 0; s < slices; ++s) {
      method.observe(task.split.slices[static_cast<std::size_t>(s)]);
      method.fit(task.split.slices[static_cast<std::size_t>(s)], {.strength = strength});
    }
    double sum = 0;
    const std::vector<float> v = vector_of(method, item);
    for (std::size_t d = 0; d < v.size(); ++d)
      sum += std::pow(static_cast<double>(v[d]) - static_cast<double>(method.prior(item)[d]), 2);
    return std::sqrt(sum);
  };
  CHECK(distance(1, 0) == 0);
  CHECK(distance(1e9, 3) < 1e-6);
  CHECK(distance(1, 3) > 1e-2);
  CHECK(distance(0.1, 3) > distance(1, 3));
  // One slice after another, or all at once, from the last to the first.
  distance(1, 3);
  const std::vector<float> in_turn = vector_of(method, item);
  std::vector<std::int32_t> all;
  for (int s = 2; s >= 0; --s)
    all.insert(all.end(), task.split.slices[static_cast<std::size_t>(s)].rbegin(),
               task.split.slices[static_cast<std::size_t>(s)].rend());
  method.arrive();
  method.observe(all);
  method.fit(all, {});
  CHECK(largest_difference(in_turn, vector_of(method, item)) < 1e-4);
}

TEST_CASE("count-aware: the prediction is the ridge regression of the old vectors on features, or their mean") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world, "fm", false, 5);
  mwuf::CountAware by_mean(*base, world, {.ridge = -1});
  by_mean.learn();
  by_mean.arrive();
  const std::vector<float> mean = mwuf::mean_vector(*base, world.old_items());
  CHECK(largest_difference(vector_of(by_mean, kOldItems), mean) < 1e-4);
  // Vectors that are linear in the features are predicted exactly where nothing shrinks.
  const auto width = static_cast<std::size_t>(base->width()),
             features = static_cast<std::size_t>(base->item_feature_width());
  mwuf::Batches batches(task, kOldItems + kNewItems);
  std::vector<std::int32_t> items(kOldItems + kNewItems);
  std::iota(items.begin(), items.end(), 0);
  std::vector<float> x(items.size() * features);
  base->item_features(batches.request(-1, items, {}), x.data());
  const auto linear = [&](std::size_t item, std::size_t d) {
    float sum = 0.3F;
    for (std::size_t f = 0; f < features; ++f) sum += x[item * features + f] * static_cast<float>((d + 2 * f) % 3);
    return sum;
  };
  for (std::size_t i = 0; i < items.size(); ++i)
    for (std::size_t d = 0; d < width; ++d) base->item_table()[i * width + d] = linear(i, d);
  mwuf::CountAware exact(*base, world, {.ridge = 0});
  exact.learn();
  exact.arrive();
  for (std::size_t d = 0; d < width; ++d)
    CHECK(vector_of(exact, kOldItems + 1)[d] ==
          doctest::Approx(static_cast<double>(linear(kOldItems + 1, d))).epsilon(1e-3));
}
