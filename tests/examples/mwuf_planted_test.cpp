// Planted worlds seen through a base that reads ids alone: the users' side is the planted one, old items have their
// planted vectors, and attributes are known to the methods but not to the base. Here it is known which part of a
// warm-up may help: a start made from features and scaling where features tell, before the first impression; shifting
// where who came tells, and only afterwards; nothing where nothing tells.
#include <doctest/doctest.h>

#include "mwuf/methods.hpp"
#include "mwuf/worlds.hpp"

namespace {

using mwuf::Index;
using thaw::EvaluationOrder;
using thaw::Phase;

// logit = bias of the user + <taste of the user, vector> / kUnit, so that vectors are about as small as learnt ones.
class PlantedBase final : public mwuf::ClickBase {
 public:
  static constexpr Index kWidth = mwuf::World::kWidth;
  static constexpr Index kFeatures = Index{mwuf::World::kAttributes} * mwuf::World::kValues;
  static constexpr double kUnit = 0.1;

  PlantedBase(const mwuf::World& world, const mwuf::Task& task) : world_(world), task_(task) {
    thaw::Philox rng(5, 5);
    const auto old = static_cast<std::int32_t>(task.split.old_items.size());
    for (std::int32_t i = 0; i < world.items(); ++i)
      for (const double x : world.taste_of_item(i))
        items_.push_back(static_cast<float>(kUnit * (i < old ? x : rng.normal())));
    for (std::int32_t u = 0; u < task.clicks().user_count; ++u)
      for (const double x : world.taste_of_user(u)) users_.push_back(static_cast<float>(x));
  }
  Index width() const override { return kWidth; }
  Index items() const override { return world_.items(); }
  Index user_width() const override { return kWidth; }
  Index item_feature_width() const override { return kFeatures; }
  std::span<float> item_table() override { return items_; }
  std::span<const float> user_table() override { return users_; }
  double train(const mwuf::ClickBatch<>&, double, const mwuf::ItemDropout&) override { return 0; }
  void score(const mwuf::ClickBatch<>& batch, const float* vectors, float* logits) override {
    for (Index i = 0; i < batch.rows; ++i) logits[i] = logit(batch, i, vectors + i * kWidth);
  }
  double item_gradient(const mwuf::ClickBatch<>& batch, const float* vectors, float* gradient) override {
    double loss = 0;
    for (Index i = 0; i < batch.rows; ++i) {
      const float z = logit(batch, i, vectors + i * kWidth);
      loss += std::log1p(std::exp(static_cast<double>(batch.labels[i] > 0 ? -z : z)));
      along(batch, i, (probability(z) - batch.labels[i]) / static_cast<float>(batch.rows), gradient + i * kWidth);
    }
    return loss / static_cast<double>(batch.rows);
  }
  void item_curvature(const mwuf::ClickBatch<>& batch, const float* vectors, const float* direction,
                      float* product) override {
    for (Index i = 0; i < batch.rows; ++i) {
      const float p = probability(logit(batch, i, vectors + i * kWidth));
      float slope[kWidth], sum = 0;
      along(batch, i, 1, slope);
      for (Index d = 0; d < kWidth; ++d) sum += slope[d] * direction[i * kWidth + d];
      along(batch, i, p * (1 - p) * sum / static_cast<float>(batch.rows), product + i * kWidth);
    }
  }
  void item_slope(const mwuf::ClickBatch<>& batch, const float*, float* slope) override {
    for (Index i = 0; i < batch.rows; ++i) along(batch, i, 1, slope + i * kWidth);
  }
  void item_features(const mwuf::ClickBatch<>& batch, float* features) override {
    std::fill_n(features, batch.rows * kFeatures, 0.0F);
    for (Index i = 0; i < batch.rows; ++i)
      for (std::int32_t a = 0; a < mwuf::World::kAttributes; ++a)
        features[i * kFeatures + a * mwuf::World::kValues + world_.attribute_of(batch.item[i], a)] = 1;
  }
  std::uint64_t fingerprint() const override { return 0; }
  std::int64_t parameter_count() const override { return static_cast<std::int64_t>(items_.size() + users_.size()); }

 private:
  std::int32_t user(const mwuf::ClickBatch<>& batch, Index i) const {
    return batch.field[task_.plan.user_id].bags.ids[i];
  }
  void along(const mwuf::ClickBatch<>& batch, Index i, float factor, float* out) const {
    const auto& taste = world_.taste_of_user(user(batch, i));
    for (std::size_t d = 0; d < taste.size(); ++d) out[d] = factor * static_cast<float>(taste[d] / kUnit);
  }
  float logit(const mwuf::ClickBatch<>& batch, Index i, const float* vector) const {
    float slope[kWidth], z = static_cast<float>(world_.bias_of_user(user(batch, i)));
    along(batch, i, 1, slope);
    for (Index d = 0; d < kWidth; ++d) z += slope[d] * vector[d];
    return z;
  }
  static float probability(float z) { return 1 / (1 + std::exp(-z)); }

  const mwuf::World& world_;
  const mwuf::Task& task_;
  std::vector<float> items_, users_;
};

struct Aucs {
  double cold = 0, warm_a = 0, warm_c = 0;
};

// All methods get the same fine-tuning.
struct Planted {
  mwuf::World world;
  mwuf::Task task;
  PlantedBase base;
  mwuf::ClickWorld clicks{&task, 3};

  explicit Planted(const mwuf::WorldOptions& options)
      : world(options), task(std::move(mwuf::make_task(world.source()).value())), base(world, task) {}
  Aucs of(mwuf::WarmUp& method, const char* name) {
    method.learn();
    auto scores = mwuf::run_phases(method, clicks, {.epochs = 5, .rate = 2e-3});
    const auto auc = [&](Phase phase) {
      return mwuf::report_of(task, scores, phase, EvaluationOrder::fixed_test).auc.value;
    };
    const Aucs out{auc(Phase::cold), auc(Phase::warm_a), auc(Phase::warm_c)};
    MESSAGE(std::string(name) << ": cold " << out.cold << ", warm-a " << out.warm_a << ", warm-c " << out.warm_c);
    return out;
  }
  Aucs random() {
    mwuf::RandomStart method(base, clicks);
    return of(method, "random");
  }
  Aucs mean() {
    mwuf::WarmUp method(base, clicks);
    return of(method, "mean vector");
  }
  Aucs generated() {
    mwuf::MetaEmbedding method(base, clicks, {.epochs = 60, .rate = 5e-3});
    return of(method, "generated start (MetaEmb)");
  }
  Aucs warmed(bool scales, bool shifts) {
    mwuf::MetaWarmUpOptions options;
    options.rate = 5e-3, options.batch = 512, options.epochs = 10;
    options.scales = scales, options.shifts = shifts;
    mwuf::MetaWarmUp method(base, clicks, options);
    return of(method, scales ? "scaling alone" : "shifting alone");
  }
};

mwuf::WorldOptions small(mwuf::WorldKind kind, double offset = 0) {
  return {
      .kind = kind, .users = 500, .old_items = 200, .new_items = 100, .old_least = 150, .offset = offset, .seed = 2};
}

}  // namespace

TEST_CASE("planted: where features tell, a generated start helps before the first impression; shifting does not") {
  Planted p(small(mwuf::WorldKind::features));
  const Aucs random = p.random(), mean = p.mean(), generated = p.generated(), shifted = p.warmed(false, true);
  CHECK(generated.cold > (std::max)(random.cold, mean.cold) + 0.03);
  CHECK(generated.warm_a > mean.warm_a + 0.01);
  CHECK(shifted.cold == mean.cold);
}

TEST_CASE("planted: scaling helps where features tell, as far as the mean vector has something to scale") {
  Planted centred(small(mwuf::WorldKind::features)), away(small(mwuf::WorldKind::features, 0.5));
  const Aucs mean = centred.mean(), scaled = centred.warmed(true, false);
  const Aucs mean_away = away.mean(), scaled_away = away.warmed(true, false);
  CHECK(scaled_away.cold > mean_away.cold + 0.02);
  CHECK(scaled_away.cold - mean_away.cold > scaled.cold - mean.cold + 0.01);
}

TEST_CASE("planted: where nothing tells, nothing beats the mean vector before the first impression") {
  Planted p(small(mwuf::WorldKind::nothing, 0.5));
  const Aucs mean = p.mean();
  CHECK(p.random().cold < mean.cold - 0.01);
  CHECK(p.generated().cold < mean.cold + 0.005);
  CHECK(p.warmed(true, false).cold < mean.cold + 0.005);
}

TEST_CASE("planted: where who came tells, shifting alone helps, and only from the first impressions on") {
  Planted p(small(mwuf::WorldKind::user_sets));
  const Aucs mean = p.mean(), shifted = p.warmed(false, true), scaled = p.warmed(true, false);
  CHECK(shifted.cold == mean.cold);
  CHECK(shifted.warm_a > mean.warm_a + 0.02);
  CHECK(scaled.cold < mean.cold + 0.005);
  CHECK(scaled.warm_a < shifted.warm_a - 0.01);  // a larger step in effect; what came from users is shifting's
}
