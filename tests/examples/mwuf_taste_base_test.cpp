// The base of `best`: its logit, slopes and curvature in closed form, its gradient steps against differences, and what
// it may know of an item.
#include "mwuf/taste_base.hpp"
#include "tests/examples/mwuf_world.hpp"

using namespace mwuf_test;

namespace {

struct Trained {
  mwuf::Task task = click_task();
  mwuf::ClickWorld world{&task, 3};
  std::unique_ptr<mwuf::ClickBase> base = mwuf::make_taste_base(world, {.width = 5});
  mwuf::Batches batches{task, 64};
  const mwuf::ClickBatch<>& batch = batches.fill(world.old_rows().subspan(100, 12));
  std::vector<float> vectors;

  Trained() {
    thaw::Philox rng(2, 2);
    for (thaw::Index i = 0; i < batch.rows * base->width(); ++i)
      vectors.push_back(0.5F * static_cast<float>(rng.normal()));
  }
  double loss(const std::vector<float>& at) {
    std::vector<float> ignored(at.size());
    return base->item_gradient(batch, at.data(), ignored.data());
  }
};

}  // namespace

TEST_CASE("taste base: the gradient of an item's row against differences of the loss") {
  Trained t;
  std::vector<float> gradient(t.vectors.size());
  t.base->item_gradient(t.batch, t.vectors.data(), gradient.data());
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    std::vector<float> up = t.vectors, down = t.vectors;
    up[i] += 0.02F, down[i] -= 0.02F;
    CHECK(std::fabs((t.loss(up) - t.loss(down)) / 0.04 - static_cast<double>(gradient[i])) < 2e-5);
  }
}

TEST_CASE("taste base: slopes are exact because the logit is linear, and the curvature follows from them") {
  Trained t;
  const auto width = static_cast<std::size_t>(t.base->width()), rows = static_cast<std::size_t>(t.batch.rows);
  std::vector<float> slope(rows * width), z(rows), moved(rows), product(rows * width), direction = t.vectors;
  t.base->item_slope(t.batch, t.vectors.data(), slope.data());
  t.base->score(t.batch, t.vectors.data(), z.data());
  std::vector<float> far = t.vectors;
  for (std::size_t i = 0; i < far.size(); ++i) far[i] += 3 * direction[i];
  t.base->score(t.batch, far.data(), moved.data());
  t.base->item_curvature(t.batch, t.vectors.data(), direction.data(), product.data());
  for (std::size_t i = 0; i < rows; ++i) {
    CHECK(slope[i * width + width - 1] == 1.0F);
    double along = 0;
    for (std::size_t d = 0; d < width; ++d)
      along += static_cast<double>(slope[i * width + d] * direction[i * width + d]);
    CHECK(static_cast<double>(moved[i] - z[i]) == doctest::Approx(3 * along).epsilon(1e-3));
    const double p = 1 / (1 + std::exp(-static_cast<double>(z[i])));
    for (std::size_t d = 0; d < width; ++d)
      CHECK(std::fabs(static_cast<double>(product[i * width + d]) -
                      p * (1 - p) * along * static_cast<double>(slope[i * width + d]) / static_cast<double>(rows)) <
            1e-6);
  }
}

TEST_CASE("taste base: a step lowers the loss of its sample by the rate times the squared gradient") {
  Trained t;
  const std::int32_t row = t.world.old_rows()[7];
  mwuf::Batches one(t.task, 1);
  const auto& batch = one.fill({&row, 1});
  const auto loss = [&] {
    std::vector<float> own(static_cast<std::size_t>(t.base->width())), ignored(own.size());
    std::copy_n(t.base->item_table().data() + batch.item[0] * t.base->width(), own.size(), own.begin());
    return t.base->item_gradient(batch, own.data(), ignored.data());
  };
  const double before = loss();
  CHECK(t.base->train(batch, 1e-3) == doctest::Approx(before).epsilon(1e-5));
  const double small = before - loss();
  CHECK(small > 0);
  // Twice the rate, twice the way.
  Trained again;
  const auto& same = one.fill({&row, 1});
  again.base->train(same, 2e-3);
  std::swap(t.base, again.base);
  CHECK(before - loss() == doctest::Approx(2 * small).epsilon(0.05));
}

TEST_CASE("taste base: a dropped sample leaves the item's row alone and moves the rest") {
  Trained t;
  const float none[12] = {}, zero[6] = {};
  const std::vector<float> items(t.base->item_table().begin(), t.base->item_table().end());
  const std::vector<float> users(t.base->user_table().begin(), t.base->user_table().end());
  t.base->train(t.batch, 1e-2, {none, zero});
  CHECK(std::equal(items.begin(), items.end(), t.base->item_table().begin()));
  CHECK(!std::equal(users.begin(), users.end(), t.base->user_table().begin()));
}

TEST_CASE("taste base: items of equal features differ by their popularity among old items alone") {
  Trained t;
  const std::int32_t fresh[] = {kOldItems + 0, kOldItems + 4};  // same genres, both unknown to the base
  std::vector<float> a(10);
  mwuf::Batches batches(t.task, 2);
  t.base->item_features(batches.request(-1, fresh, {}), a.data());
  CHECK(std::equal(a.begin(), a.begin() + 5, a.begin() + 5));
  // What happened to new items does not change what the base learns.
  WorldOptions poisoned;
  poisoned.flip_new = poisoned.other_users = true;
  const mwuf::Task other = click_task(poisoned);
  const auto base = mwuf::make_taste_base({&other, 3}, {.width = 5});
  CHECK(base->fingerprint() == t.base->fingerprint());
}
