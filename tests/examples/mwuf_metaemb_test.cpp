// MetaEmb: its two-phase gradient against differences of its loss, against the closed form of a factorisation machine,
// and without an inner step; the generator.
#include "mwuf/metaemb.hpp"
#include "tests/examples/mwuf_world.hpp"
#include "tests/nn/fixture.hpp"
#include "thaw/autodiff/check.hpp"

using namespace mwuf_test;
using nn_test::A;
using thaw::Index;

namespace {

// Three tasks of four impressions a set.
struct Sets {
  mwuf::Task task = click_task();
  mwuf::ClickWorld world{&task, 3};
  std::unique_ptr<mwuf::ClickBase> base;
  std::vector<std::int32_t> a_rows, b_rows;
  mwuf::Batches a{task, 64}, b{task, 64};
  std::vector<float> vectors;
  static constexpr Index kItems = 3, kShots = 4;

  explicit Sets(const char* name, bool bias_terms = false) : base(click_base(world, name, bias_terms)) {
    mwuf::ItemTasks tasks(world);
    thaw::Philox rng(4, 4);
    for (Index t = 0; t < kItems; ++t) {
      std::vector<std::int32_t> drawn;
      CHECK(tasks.draw(5 * t, 2 * kShots, rng, drawn));
      a_rows.insert(a_rows.end(), drawn.begin(), drawn.begin() + kShots);
      b_rows.insert(b_rows.end(), drawn.begin() + kShots, drawn.end());
    }
    for (Index i = 0; i < kItems * base->width(); ++i) vectors.push_back(0.4F * static_cast<float>(rng.normal()));
  }
  double loss(const std::vector<float>& at, const mwuf::TwoPhaseLoss::Settings& settings) {
    mwuf::TwoPhaseLoss two(*base);
    return two.loss(a.fill(a_rows), b.fill(b_rows), kItems, at.data(), settings);
  }
  std::vector<float> gradient(const mwuf::TwoPhaseLoss::Settings& settings) {
    mwuf::TwoPhaseLoss two(*base);
    std::vector<float> out(vectors.size());
    two.gradient(a.fill(a_rows), b.fill(b_rows), kItems, vectors.data(), settings, out.data());
    return out;
  }
};

// The gradient of the mean loss of one item's rows.
std::vector<double> item_gradient(Sets& sets, mwuf::Batches& batches, const std::vector<std::int32_t>& rows, Index item,
                                  const float* vector) {
  const Index width = sets.base->width();
  const auto& batch =
      batches.fill(mwuf::Rows(rows).subspan(static_cast<std::size_t>(item * Sets::kShots), Sets::kShots));
  std::vector<float> all, gradient(static_cast<std::size_t>(Sets::kShots * width));
  for (Index s = 0; s < Sets::kShots; ++s) all.insert(all.end(), vector, vector + width);
  sets.base->item_gradient(batch, all.data(), gradient.data());
  std::vector<double> sum(static_cast<std::size_t>(width), 0.0);
  for (std::size_t i = 0; i < gradient.size(); ++i) sum[i % sum.size()] += static_cast<double>(gradient[i]);
  return sum;
}

// The slopes of all logits in the item's vector, of set a at the vectors and of set b after the inner step. Of a base
// whose logit is piecewise linear they change where, and only where, a ReLU switches.
std::vector<float> slopes(Sets& sets, const std::vector<float>& vectors, double inner_rate) {
  const auto width = static_cast<std::size_t>(sets.base->width()), shots = static_cast<std::size_t>(Sets::kShots);
  std::vector<float> at_a, at_b, out(2 * sets.a_rows.size() * width);
  for (Index t = 0; t < Sets::kItems; ++t) {
    const float* v = vectors.data() + static_cast<std::size_t>(t) * width;
    const auto cold = item_gradient(sets, sets.a, sets.a_rows, t, v);
    for (std::size_t s = 0; s < shots; ++s)
      for (std::size_t j = 0; j < width; ++j) {
        at_a.push_back(v[j]);
        at_b.push_back(v[j] - static_cast<float>(inner_rate * cold[j]));
      }
  }
  sets.base->item_slope(sets.a.fill(sets.a_rows), at_a.data(), out.data());
  sets.base->item_slope(sets.b.fill(sets.b_rows), at_b.data(), out.data() + at_a.size());
  return out;
}

}  // namespace

TEST_CASE("MetaEmb: the exact gradient is that of the two-phase loss, by differences") {
  for (const char* name : {"fm", "wide_deep", "deepfm"}) {
    INFO(std::string(name));
    Sets sets(name);
    // A step so large that the second-order term is most of the answer.
    const mwuf::TwoPhaseLoss::Settings settings{2.0, 0.1};
    const std::vector<float> exact = sets.gradient(settings);
    const std::vector<float> here = slopes(sets, sets.vectors, settings.inner_rate);
    double size = 0, apart = 0, first_order_apart = 0;
    std::size_t smooth = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      const float step = 5e-3F;
      std::vector<float> up = sets.vectors, down = sets.vectors;
      up[i] += step, down[i] -= step;
      const double slope = (sets.loss(up, settings) - sets.loss(down, settings)) / (2 * static_cast<double>(step));
      size = (std::max)(size, std::fabs(slope));
      // Across a kink of ReLU the inner gradient, and with it the loss, jumps: a difference across one says nothing.
      // Where no ReLU switches between the two sides the function is smooth, and every coordinate must agree.
      const bool switches = largest_difference(here, slopes(sets, up, settings.inner_rate)) > 1e-5 ||
                            largest_difference(here, slopes(sets, down, settings.inner_rate)) > 1e-5;
      if (switches) continue;
      ++smooth;
      apart = (std::max)(apart, std::fabs(slope - static_cast<double>(exact[i])));
    }
    CHECK(apart < 3e-3 * size);
    CHECK(smooth >= (std::string(name) == "fm" ? exact.size() : exact.size() / 2));
    // First order alone, u in place of u - rate H u, is far from it.
    for (Index t = 0; t < Sets::kItems; ++t) {
      const float* v = sets.vectors.data() + t * sets.base->width();
      const auto cold = item_gradient(sets, sets.a, sets.a_rows, t, v);
      std::vector<float> moved;
      for (std::size_t j = 0; j < cold.size(); ++j)
        moved.push_back(v[j] - static_cast<float>(settings.inner_rate * cold[j]));
      const auto warm = item_gradient(sets, sets.b, sets.b_rows, t, moved.data());
      for (std::size_t j = 0; j < cold.size(); ++j)
        first_order_apart = (std::max)(
            first_order_apart, std::fabs((0.1 * cold[j] + 0.9 * warm[j]) / 3 -
                                         static_cast<double>(exact[static_cast<std::size_t>(t) * cold.size() + j])));
    }
    CHECK(first_order_apart > 30e-3 * size);
  }
}

TEST_CASE("MetaEmb: without an inner step the gradient is first order") {
  Sets sets("deepfm");
  const std::vector<float> exact = sets.gradient({0.0, 0.3});
  for (Index t = 0; t < Sets::kItems; ++t) {
    const float* v = sets.vectors.data() + t * sets.base->width();
    const auto cold = item_gradient(sets, sets.a, sets.a_rows, t, v),
               warm = item_gradient(sets, sets.b, sets.b_rows, t, v);
    for (std::size_t j = 0; j < cold.size(); ++j)
      CHECK(static_cast<double>(exact[static_cast<std::size_t>(t) * cold.size() + j]) ==
            doctest::Approx((0.3 * cold[j] + 0.7 * warm[j]) / 3).epsilon(1e-4));
  }
}

TEST_CASE("MetaEmb: a factorisation machine's Hessian is the mean of p (1 - p) s s^T") {
  Sets sets("fm");
  const Index width = sets.base->width(), rows = Sets::kItems * Sets::kShots;
  const auto& batch = sets.a.fill(sets.a_rows);
  std::vector<float> all, direction, slope(static_cast<std::size_t>(rows * width)), product(slope.size()),
      logits(static_cast<std::size_t>(rows));
  thaw::Philox rng(8, 8);
  for (Index r = 0; r < rows; ++r)
    all.insert(all.end(), sets.vectors.begin() + static_cast<std::ptrdiff_t>(r / Sets::kShots * width),
               sets.vectors.begin() + static_cast<std::ptrdiff_t>((r / Sets::kShots + 1) * width));
  for (Index i = 0; i < rows * width; ++i) direction.push_back(static_cast<float>(rng.normal()));
  sets.base->item_slope(batch, all.data(), slope.data());
  sets.base->score(batch, all.data(), logits.data());
  sets.base->item_curvature(batch, all.data(), direction.data(), product.data());
  for (Index r = 0; r < rows; ++r) {
    double along = 0;
    for (Index j = 0; j < width; ++j)
      along += static_cast<double>(slope[static_cast<std::size_t>(r * width + j)]) *
               static_cast<double>(direction[static_cast<std::size_t>(r * width + j)]);
    const double p = 1 / (1 + std::exp(-static_cast<double>(logits[static_cast<std::size_t>(r)])));
    for (Index j = 0; j < width; ++j)
      CHECK(std::fabs(static_cast<double>(product[static_cast<std::size_t>(r * width + j)]) -
                      p * (1 - p) * along * static_cast<double>(slope[static_cast<std::size_t>(r * width + j)]) /
                          static_cast<double>(rows)) < 1e-6);
  }
}

TEST_CASE("MetaEmb: the generator's gradients against differences") {
  thaw_test::Host host;
  const mwuf::VectorGenerator<thaw::Spec> plan{thaw::linear_spec(5, 3)};
  const auto net = nn_test::random_model(host, plan);
  const A features = host.normal({2, 5});
  const auto result = thaw::check_gradient(
      [&](const auto& weight, const auto& bias) {
        using T = std::decay_t<decltype(thaw::add(thaw::sum(weight), thaw::sum(bias)))>;
        const T like = thaw::add(thaw::sum(weight), thaw::sum(bias));
        const mwuf::VectorGenerator<T> copy{{thaw::lift_to<T>(weight, like), thaw::lift_to<T>(bias, like)}, 0.2};
        return copy(features);
      },
      {net.layer.weight, net.layer.bias});
  CHECK(result.comparisons > 0);
  CHECK(result.error_at(1) < 1e-6);
}

TEST_CASE("MetaEmb: items of equal features get equal vectors, and learning lowers the two-phase loss") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world, "deepfm", false, 10);
  const auto loss = [&](int epochs) {
    mwuf::MetaEmbeddingOptions options;
    options.epochs = epochs;
    options.shots = 5;
    options.rate = 1e-2;
    mwuf::MetaEmbedding method(*base, world, options);
    method.learn();
    const std::int32_t alike[] = {0, 4, 8, 1};  // 0, 4 and 8 have genres 0 and 1
    const std::vector<float> vectors = method.generate(alike);
    const auto width = static_cast<std::ptrdiff_t>(base->width());
    CHECK(std::equal(vectors.begin(), vectors.begin() + width, vectors.begin() + width));
    CHECK(!std::equal(vectors.begin(), vectors.begin() + width, vectors.begin() + 3 * width));
    double sum = 0;
    mwuf::ItemTasks tasks(world);
    thaw::Philox rng(4, 4);
    mwuf::Batches a(task, 10), b(task, 10);
    mwuf::TwoPhaseLoss two(*base);
    for (std::int32_t item = 0; item < kOldItems; ++item) {
      std::vector<std::int32_t> drawn;
      CHECK(tasks.draw(item, 20, rng, drawn));
      const std::vector<float> v = method.generate({&item, 1});
      sum += two.loss(a.fill(mwuf::Rows(drawn).first(10)), b.fill(mwuf::Rows(drawn).last(10)), 1, v.data(), {0.1, 0.1});
    }
    return sum;
  };
  CHECK(loss(30) < loss(0));
}
