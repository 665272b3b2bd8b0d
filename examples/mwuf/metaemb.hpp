// MetaEmb (Pan et al., SIGIR 2019): a generator makes a new item's first vector from its features, and is trained so
// that the vector is good at once and better after one step of gradient descent on the item's own first impressions:
//
//   phi = generator(features), phi' = phi - rate * dl_a/dphi, loss = alpha l_a(phi) + (1 - alpha) l_b(phi')
//
//   mwuf::MetaEmbedding method(*base, world, {});
//   method.learn();                  // tasks are old items, two disjoint sets of K impressions each
//
// The inner step is one of an item (the mean loss of its K impressions), and its gradient is exact to second order:
// dloss/dphi = alpha g_a + (1 - alpha) (u - rate H_a u) with u = dl_b/dphi'. Published code takes the step of a whole
// batch's mean loss, 25 or 100 times smaller, which leaves only the generator.
#pragma once

#include "mwuf/method.hpp"
#include "thaw/nn/mlp.hpp"

namespace mwuf {

template <Value T>
struct VectorGenerator {
  thaw::Linear<T> layer;
  double scale = 0.2;  // keeps tanh near the size of learnt vectors

  // (items, feature width) -> (items, width)
  T operator()(const thaw::Plain<T>& features) const { return thaw::scale(thaw::tanh(layer(features)), scale); }
  static void each(auto&& visit, auto&... m) { visit("layer", m.layer...), visit("scale", m.scale...); }
};

struct MetaEmbeddingOptions {
  Index shots = 20;          // K: impressions of a set
  Index items = 25;          // of a batch
  int epochs = 12;           // passes over the old items, each with sets of its own
  double rate = 1e-3;        // of Adam
  double inner_rate = 0.1;   // of the step on l_a
  double cold_weight = 0.1;  // alpha
};

// What a vector of each item loses on the sets a and b, and the gradient of that with respect to it.
class TwoPhaseLoss {
 public:
  struct Settings {
    double inner_rate, cold_weight;
  };
  explicit TwoPhaseLoss(ClickBase& base) : base_(base), width_(base.width()) {}

  // vectors (items, width); `a` and `b` hold items * shots rows, item by item. Writes the gradient (items, width) of
  // the mean over items and returns that mean.
  double gradient(const ClickBatch<>& a, const ClickBatch<>& b, Index items, const float* vectors,
                  const Settings& settings, float* gradient) {
    const std::size_t size = static_cast<std::size_t>(items * width_);
    cold_.resize(size), moved_.resize(size), warm_.resize(size), curved_.resize(size);
    const double loss_a = of_items(a, items, vectors, cold_.data());
    for (std::size_t i = 0; i < size; ++i) moved_[i] = vectors[i] - static_cast<float>(settings.inner_rate) * cold_[i];
    const double loss_b = of_items(b, items, moved_.data(), warm_.data());
    curvature(a, items, vectors, warm_.data(), curved_.data());
    const auto alpha = static_cast<float>(settings.cold_weight), rate = static_cast<float>(settings.inner_rate);
    for (std::size_t i = 0; i < size; ++i)
      gradient[i] = (alpha * cold_[i] + (1 - alpha) * (warm_[i] - rate * curved_[i])) / static_cast<float>(items);
    return settings.cold_weight * loss_a + (1 - settings.cold_weight) * loss_b;
  }
  double loss(const ClickBatch<>& a, const ClickBatch<>& b, Index items, const float* vectors,
              const Settings& settings) {
    std::vector<float> ignored(static_cast<std::size_t>(items * width_));
    return gradient(a, b, items, vectors, settings, ignored.data());
  }

 private:
  // Rows of an item read its vector; sums of rows are an item's. The batch's mean is turned into each item's.
  void spread(const float* vectors, Index items, Index shots, std::vector<float>& rows) const {
    rows.resize(static_cast<std::size_t>(items * shots * width_));
    for (Index r = 0; r < items * shots; ++r)
      std::copy_n(vectors + r / shots * width_, width_, rows.data() + r * width_);
  }
  void collect(const std::vector<float>& rows, Index items, Index shots, float* out) const {
    std::fill_n(out, items * width_, 0.0f);
    for (Index r = 0; r < items * shots; ++r)
      for (Index j = 0; j < width_; ++j)
        out[r / shots * width_ + j] += static_cast<float>(items) * rows[static_cast<std::size_t>(r * width_ + j)];
  }
  double of_items(const ClickBatch<>& batch, Index items, const float* vectors, float* gradient) {
    const Index shots = batch.rows / items;
    spread(vectors, items, shots, rows_);
    products_.resize(rows_.size());
    const double loss = base_.item_gradient(batch, rows_.data(), products_.data());
    collect(products_, items, shots, gradient);
    return loss;
  }
  void curvature(const ClickBatch<>& batch, Index items, const float* vectors, const float* direction, float* product) {
    const Index shots = batch.rows / items;
    spread(vectors, items, shots, rows_);
    spread(direction, items, shots, directions_);
    products_.resize(rows_.size());
    base_.item_curvature(batch, rows_.data(), directions_.data(), products_.data());
    collect(products_, items, shots, product);
  }

  ClickBase& base_;
  Index width_;
  std::vector<float> cold_, moved_, warm_, curved_, rows_, directions_, products_;
};

// The impressions of each old item, for methods whose tasks are items.
class ItemTasks {
 public:
  explicit ItemTasks(const ClickWorld& world) : rows_(world.old_items().size()) {
    std::vector<std::int32_t> place;
    for (std::size_t i = 0; i < world.old_items().size(); ++i) {
      const auto item = static_cast<std::size_t>(world.old_items()[i]);
      if (item >= place.size()) place.resize(item + 1, -1);
      place[item] = static_cast<std::int32_t>(i);
    }
    for (const std::int32_t r : world.old_rows())
      rows_[static_cast<std::size_t>(place[static_cast<std::size_t>(world.item_of(r))])].push_back(r);
  }
  Index count() const { return static_cast<Index>(rows_.size()); }
  Rows rows(Index task) const { return rows_[static_cast<std::size_t>(task)]; }
  // Appends `count` different rows of a task to `out`; false, and nothing, where it has fewer.
  bool draw(Index task, Index count, thaw::Philox& rng, std::vector<std::int32_t>& out) {
    auto& rows = rows_[static_cast<std::size_t>(task)];
    if (static_cast<Index>(rows.size()) < count) return false;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      std::swap(rows[i], rows[i + rng.below(static_cast<std::uint32_t>(rows.size() - i))]);
      out.push_back(rows[i]);
    }
    return true;
  }

 private:
  std::vector<std::vector<std::int32_t>> rows_;
};

class MetaEmbedding final : public WarmUp {
 public:
  MetaEmbedding(ClickBase& base, const ClickWorld& world, const MetaEmbeddingOptions& options)
      : WarmUp(base, world),
        options_(options),
        generator_(generator_spec(base), world.seed + 55, 1),
        loss_(base),
        other_(*world.task, options.items * options.shots) {}

  void learn() override {
    ItemTasks tasks(world_);
    thaw::Philox rng(world_.seed, 21);
    std::vector<std::int32_t> order(static_cast<std::size_t>(tasks.count()));
    std::iota(order.begin(), order.end(), 0);
    for (int e = 0; e < options_.epochs; ++e) {
      shuffle(order, world_.seed, 1000 + static_cast<std::uint64_t>(e));
      each_batch(order, options_.items, [&](Rows part) { learn_batch(tasks, part, rng); });
    }
  }
  void arrive() override {
    WarmUp::arrive();
    each_batch(world_.new_items(), 1024, [&](Rows items) {
      const std::vector<float> vectors = generate(items);
      for (std::size_t i = 0; i < items.size(); ++i)
        std::copy_n(vectors.data() + i * static_cast<std::size_t>(base_.width()), base_.width(), ids_.row(items[i]));
    });
  }
  // (items, width)
  std::vector<float> generate(Rows items) {
    read_features(items);
    std::vector<float> vectors;
    generator_.run([&](const auto& net, Backend::Context& context) {
      const FloatArray v = net(features(context, static_cast<Index>(items.size())));
      vectors.assign(v.begin(), v.end());
    });
    return vectors;
  }

 private:
  static VectorGenerator<Spec> generator_spec(const ClickBase& base) {
    VectorGenerator<Spec> plan{thaw::linear_spec((std::max)(base.item_feature_width(), Index(1)), base.width())};
    plan.layer.bias.init = {thaw::Init::Kind::constant, 0};
    return plan;
  }
  void read_features(Rows items) {
    features_.resize(items.size() * static_cast<std::size_t>(base_.item_feature_width()));
    base_.item_features(batches_.request(-1, items, {}), features_.data());
  }
  FloatArray features(Backend::Context& context, Index items) const {
    return FloatArray::view(context, features_.data(), {items, base_.item_feature_width()});
  }

  void learn_batch(ItemTasks& tasks, Rows part, thaw::Philox& rng) {
    items_.clear(), rows_a_.clear(), rows_b_.clear();
    for (const std::int32_t task : part) {
      drawn_.clear();
      if (!tasks.draw(task, 2 * options_.shots, rng, drawn_)) continue;
      items_.push_back(world_.item_of(drawn_.front()));
      const auto middle = drawn_.begin() + static_cast<std::ptrdiff_t>(options_.shots);
      rows_a_.insert(rows_a_.end(), drawn_.begin(), middle);
      rows_b_.insert(rows_b_.end(), middle, drawn_.end());
    }
    if (items_.empty()) return;
    const std::vector<float> vectors = generate(items_);
    gradient_.resize(vectors.size());
    const auto count = static_cast<Index>(items_.size());
    loss_.gradient(batches_.fill(rows_a_), other_.fill(rows_b_), count, vectors.data(),
                   {options_.inner_rate, options_.cold_weight}, gradient_.data());
    generator_.step(options_.rate, [&](const auto& net, FloatTape& tape) {
      const FloatArray delta = FloatArray::view(tape.context(), gradient_.data(), {count, base_.width()});
      return thaw::sum(thaw::mul(net(features(tape.context(), count)), delta));
    });
  }

  MetaEmbeddingOptions options_;
  TrainedNetwork<VectorGenerator<Spec>> generator_;
  TwoPhaseLoss loss_;
  Batches other_;  // set b, while batches_ holds set a
  std::vector<std::int32_t> items_, rows_a_, rows_b_, drawn_;
  std::vector<float> features_;
};

}  // namespace mwuf
