// MWUF (Zhu et al., SIGIR 2021): a new item starts from the mean of the old items' vectors; two meta networks make a
// warm vector of its cold one wherever it is scored,
//
//   warm = cold * scaling(item features) + shifting(mean of the vectors of the users who interacted)
//
//   mwuf::MetaWarmUp method(*base, world, {});
//   method.learn();                  // both networks, on old items walked in the order of time; the base is frozen
//
// The warm vector is a view: fine-tuning steps the cold vector by the cold loss. The users of an item are those before
// the impression, in learning too; an item without users is not shifted, so a cold score reads no interaction.
#pragma once

#include "mwuf/method.hpp"
#include "thaw/nn/mlp.hpp"

namespace mwuf {

template <Value T>
struct WarmUpNetworks {
  thaw::Mlp<T> scaling, shifting;
  bool scales = true, shifts = true;

  // cold (rows, width), features (rows, feature width), users (rows, user width), has_users (rows, 1): 1 or 0
  T operator()(const thaw::Plain<T>& cold, const thaw::Plain<T>& features, const thaw::Plain<T>& users,
               const thaw::Plain<T>& has_users) const {
    T warm = scales ? thaw::mul(scaling(features), cold) : thaw::lift(cold, scaling.layers[0].bias);
    return shifts ? thaw::add(warm, thaw::mul(shifting(users), has_users)) : warm;
  }
  static void each(auto&& visit, auto&... m) {
    visit("scaling", m.scaling...), visit("shifting", m.shifting...);
    visit("scales", m.scales...), visit("shifts", m.shifts...);
  }
};

struct MetaWarmUpOptions {
  Index hidden = 16;
  double rate = 1e-3;     // of the networks
  double id_rate = 1e-3;  // of the second set of old ids
  Index batch = 2048;
  int epochs = 1;
  double users_dropped = 0.1;  // share of impressions learnt from without their item's users
  bool scales = true, shifts = true;
  bool common_start = true;  // off: random vectors, for comparison
};

// Starts as the identity: scale 1 and shift 0.
inline WarmUpNetworks<Spec> warm_up_networks_spec(Index width, Index features, Index users,
                                                  const MetaWarmUpOptions& options) {
  const auto two_layers = [&](Index in, double start) {
    auto plan = thaw::mlp_spec({(std::max)(in, Index(1)), options.hidden, width}, thaw::Activation::relu);
    plan.layers[1].weight.init = {thaw::Init::Kind::constant, 0};
    plan.layers[1].bias.init = {thaw::Init::Kind::constant, start};
    return plan;
  };
  return {two_layers(features, 1), two_layers(users, 0), options.scales && features > 0, options.shifts && users > 0};
}

// The running mean of the vectors of each item's users.
class ItemUsers {
 public:
  ItemUsers(ClickBase& base, Index items)
      : width_(base.user_width()),
        table_(base.user_table()),
        sums_(static_cast<std::size_t>(items * width_), 0.0f),
        counts_(static_cast<std::size_t>(items), 0) {}

  void add(std::int32_t item, std::int32_t user) {
    if (user < 0 || width_ == 0) return;
    ++counts_[static_cast<std::size_t>(item)];
    for (Index j = 0; j < width_; ++j)
      sums_[static_cast<std::size_t>(item * width_ + j)] += table_[static_cast<std::size_t>(user * width_ + j)];
  }
  // Writes the mean (width) and returns whether there is one.
  bool mean(std::int32_t item, float* out) const {
    const std::int32_t count = item < 0 ? 0 : counts_[static_cast<std::size_t>(item)];
    for (Index j = 0; j < width_; ++j)
      out[j] = count == 0 ? 0.0f : sums_[static_cast<std::size_t>(item * width_ + j)] / static_cast<float>(count);
    return count > 0;
  }
  std::int32_t count(std::int32_t item) const { return counts_[static_cast<std::size_t>(item)]; }
  Index width() const { return width_; }
  void clear() {
    std::fill(sums_.begin(), sums_.end(), 0.0f);
    std::fill(counts_.begin(), counts_.end(), 0);
  }

 private:
  Index width_;
  std::span<const float> table_;
  std::vector<float> sums_;
  std::vector<std::int32_t> counts_;
};

class MetaWarmUp final : public WarmUp {
 public:
  MetaWarmUp(ClickBase& base, const ClickWorld& world, const MetaWarmUpOptions& options)
      : WarmUp(base, world),
        options_(options),
        networks_(warm_up_networks_spec(base.width(), base.item_feature_width(), base.user_width(), options),
                  world.seed + 77, 1),
        users_(base, base.items()) {}

  void learn() override {
    VectorTable cold(base_.items(), base_.width());
    start(cold);
    for (int e = 0; e < options_.epochs; ++e) {
      if (e > 0) start(cold);
      users_.clear();
      std::uint64_t stream = static_cast<std::uint64_t>(e) << 32;
      each_batch(world_.old_rows(), options_.batch, [&](Rows rows) { learn_batch(rows, cold, ++stream); });
    }
    users_.clear();
  }
  void arrive() override {
    start(ids_);
    users_.clear();
  }
  void observe(Rows rows) override {
    for (const std::int32_t r : rows) users_.add(world_.item_of(r), world_.user_of(r));
  }
  void vectors(const ClickBatch<>& batch, float* out) override {
    ids_.read(batch.item, batch.rows, out);
    read(batch);
    warm(batch.rows, out, out);
  }

  TrainedNetwork<WarmUpNetworks<Spec>>& networks() { return networks_; }
  const ItemUsers& users() const { return users_; }

 private:
  void start(VectorTable& table) {
    table.restart();
    if (options_.common_start) {
      const std::vector<float> mean = mean_vector(base_, world_.old_items());
      return table.set_all(mean.data());
    }
    thaw::Philox rng(world_.seed, 99);
    double square = 0;
    for (const float x : base_.item_table()) square += static_cast<double>(x) * static_cast<double>(x);
    const double deviation = __builtin_sqrt(square / static_cast<double>(base_.item_table().size()));
    for (float& x : table.values()) x = static_cast<float>(deviation * rng.normal());
  }

  // What the networks read about the items of a batch, from the users seen so far.
  void read(const ClickBatch<>& batch) {
    const auto rows = static_cast<std::size_t>(batch.rows);
    features_.resize(rows * static_cast<std::size_t>(base_.item_feature_width()));
    pooled_.resize(rows * static_cast<std::size_t>(users_.width()));
    has_users_.resize(rows);
    base_.item_features(batch, features_.data());
    for (std::size_t i = 0; i < rows; ++i) read_users(batch.item[i], i);
  }
  void read_users(std::int32_t item, std::size_t row) {
    has_users_[row] = users_.mean(item, pooled_.data() + row * static_cast<std::size_t>(users_.width())) ? 1.0f : 0.0f;
  }
  template <class Net, class Context>
  auto warm_of(const Net& net, Context& context, Index rows, const float* cold) const {
    const auto view = [&](const float* data, Index width) { return FloatArray::view(context, data, {rows, width}); };
    return net(view(cold, base_.width()), view(features_.data(), base_.item_feature_width()),
               view(pooled_.data(), users_.width()), view(has_users_.data(), 1));
  }
  void warm(Index rows, const float* cold, float* out) {
    networks_.run([&](const auto& net, Backend::Context& context) {
      const FloatArray w = warm_of(net, context, rows, cold);
      std::copy(w.begin(), w.end(), out);
    });
  }

  // Algorithm 1: the cold loss steps the ids, the warm loss steps the networks, each with the other held still.
  void learn_batch(Rows rows, VectorTable& cold, std::uint64_t stream) {
    const ClickBatch<> batch = batches_.fill(rows);
    const auto size = static_cast<std::size_t>(batch.rows * base_.width());
    vectors_.resize(size), gradient_.resize(size), warm_.resize(size);
    cold.read(batch.item, batch.rows, vectors_.data());
    read_in_order(batch, rows, stream);
    base_.item_gradient(batch, vectors_.data(), gradient_.data());
    cold.step(batch.item, batch.rows, gradient_.data(), options_.id_rate);
    warm(batch.rows, vectors_.data(), warm_.data());
    base_.item_gradient(batch, warm_.data(), gradient_.data());
    networks_.step(options_.rate, [&](const auto& net, FloatTape& tape) {
      const FloatArray delta = FloatArray::view(tape.context(), gradient_.data(), {batch.rows, base_.width()});
      return thaw::sum(thaw::mul(warm_of(net, tape.context(), batch.rows, vectors_.data()), delta));
    });
  }
  // Each impression reads the users before it, those earlier in its batch included.
  void read_in_order(const ClickBatch<>& batch, Rows rows, std::uint64_t stream) {
    thaw::Philox rng(world_.seed, stream);
    read(batch);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      read_users(batch.item[i], i);
      if (rng.uniform(0, 1) < options_.users_dropped) has_users_[i] = 0;
      users_.add(batch.item[i], world_.user_of(rows[i]));
    }
  }

  MetaWarmUpOptions options_;
  TrainedNetwork<WarmUpNetworks<Spec>> networks_;
  ItemUsers users_;
  std::vector<float> features_, pooled_, has_users_, warm_;
};

}  // namespace mwuf
