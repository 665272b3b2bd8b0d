// MeLU (Lee et al., KDD 2019): attributes of the user and the item through embeddings into a small tower of dense
// layers; a user's support set moves the tower by gradient descent, what all users share is learnt through that step.
//
//   hyperrs::MeluLearner learner(data, hyperrs::MeluOptions{.width = 32});
//   double loss = learner.train(episodes);
//   auto adapted = learner.adapt(user, support, /*steps*/ 1);
//
// x = [item fields, user fields], each `width` wide: a row of a table for an attribute with one value an entity, the
// mean of rows for one with several. Tower: width x fields -> 64 -> 64 -> 1 with ReLU; it alone adapts. Items without
// any attribute fall back on their id; a side of users without attributes has no part in x. Not for text or numbers.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "hyperrs/learner.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/meta/fast_weights.hpp"
#include "thaw/meta/inner_loop.hpp"
#include "thaw/meta/meta_batch.hpp"
#include "thaw/nn/embedding.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/nn/mlp.hpp"
#include "thaw/optim/adam.hpp"

namespace hyperrs {

struct MeluOptions {
  thaw::Index width = 32;   // of an embedding
  thaw::Index hidden = 64;  // of the two hidden layers
  double local_rate = 5e-6;
  double rate = 5e-5;  // of Adam
  int inner_steps = 1;
  bool first_order = false;
  Objective objective = Objective::rating;
  int threads = 1;
  std::uint64_t seed = 1;
};

// The fields of one side: its attributes, or the id where it has none.
class MeluFields {
 public:
  static constexpr int kMost = 15;

  MeluFields(const thaw::Entities& entities, bool id_without_attributes)
      : entities_(&entities),
        by_id_(entities.attributes.empty() && id_without_attributes),
        count_(by_id_ ? 1 : static_cast<int>(entities.attributes.size())) {
    thaw::require(count_ <= kMost, "MeLU: ", count_, " attributes on one side, at most ", kMost, " are read");
  }
  int count() const { return count_; }
  thaw::Index rows(int field) const { return by_id_ ? entities_->size() : attribute(field).cardinality(); }
  bool several(int field) const {
    if (by_id_) return false;
    const thaw::Attribute& a = attribute(field);
    for (std::size_t e = 0; e + 1 < a.offsets.size(); ++e)
      if (a.offsets[e + 1] - a.offsets[e] > 1) return true;
    return false;
  }
  // The values of one field of the entities, in the arena. Entities that the data set does not have get none.
  thaw::Bags bags(int field, std::span<const std::int32_t> of, thaw::Arena& arena) const {
    const auto count = static_cast<thaw::Index>(of.size());
    auto* offsets = arena.take<std::int32_t>(count + 1);
    offsets[0] = 0;
    for (thaw::Index i = 0; i < count; ++i) offsets[i + 1] = offsets[i] + values(field, of, i).second;
    auto* ids = arena.take<std::int32_t>(offsets[count]);
    for (thaw::Index i = 0; i < count; ++i) {
      const auto [from, size] = values(field, of, i);
      for (std::int32_t k = 0; k < size; ++k) ids[offsets[i] + k] = from[k];
    }
    return {ids, offsets, count, /*mean*/ true};
  }

 private:
  const thaw::Attribute& attribute(int field) const { return entities_->attributes[static_cast<std::size_t>(field)]; }
  std::pair<const std::int32_t*, std::int32_t> values(int field, std::span<const std::int32_t> of,
                                                      thaw::Index i) const {
    const std::int32_t& entity = of[static_cast<std::size_t>(i)];
    if (entity < 0 || entity >= entities_->size()) return {nullptr, 0};
    if (by_id_) return {&entity, 1};
    const auto found = attribute(field).of(entity);
    return {found.data(), static_cast<std::int32_t>(found.size())};
  }

  const thaw::Entities* entities_;
  bool by_id_;
  int count_;
};

// What the network reads: items of one user.
struct MeluInput {
  thaw::Bags item[MeluFields::kMost];
  thaw::Bags user[MeluFields::kMost];
  thaw::Index rows = 0;

  static MeluInput make(const MeluFields& items, const MeluFields& users, const std::int32_t& user,
                        std::span<const std::int32_t> of, thaw::Arena& arena) {
    MeluInput in;
    in.rows = static_cast<thaw::Index>(of.size());
    for (int f = 0; f < items.count(); ++f) in.item[f] = items.bags(f, of, arena);
    for (int f = 0; f < users.count(); ++f) in.user[f] = users.bags(f, {&user, 1}, arena);
    return in;
  }
};

template <thaw::Value T>
struct Melu {
  thaw::Several<thaw::Embedding<T>, MeluFields::kMost> item_fields, user_fields;
  thaw::Mlp<T> tower;  // the local part

  // (rows, fields * width)
  T features(const MeluInput& in) const {
    T parts[MeluFields::kMost + 1];
    int count = 0;
    for (int f = 0; f < item_fields.count; ++f) parts[count++] = item_fields[f](in.item[f]);
    if (user_fields.count > 0) {
      T user[MeluFields::kMost];
      for (int f = 0; f < user_fields.count; ++f) user[f] = user_fields[f](in.user[f]);
      const T row = thaw::concat(user, user_fields.count, 1);
      parts[count++] = thaw::broadcast_to(row, {in.rows, row.shape[1]});
    }
    return thaw::concat(parts, count, 1);
  }
  static void each(auto&& visit, auto&... m) {
    visit("item_fields", m.item_fields...), visit("user_fields", m.user_fields...), visit("tower", m.tower...);
  }
};

// Starts as PyTorch's modules do: N(0, 1) for tables that are read by row, uniform +-1/sqrt(rows) for those that are
// read as a mean.
inline Melu<thaw::Spec> melu_plan(const MeluFields& items, const MeluFields& users, const MeluOptions& options) {
  const auto table = [&](const MeluFields& side, int f) {
    thaw::Embedding<thaw::Spec> plan = thaw::embedding_spec(side.rows(f), options.width);
    if (!side.several(f)) plan.table.init = {thaw::Init::Kind::normal, 1};
    return plan;
  };
  Melu<thaw::Spec> plan;
  for (int f = 0; f < items.count(); ++f) plan.item_fields.push(table(items, f));
  for (int f = 0; f < users.count(); ++f) plan.user_fields.push(table(users, f));
  const thaw::Index in = options.width * (items.count() + users.count());
  plan.tower = thaw::mlp_spec({in, options.hidden, options.hidden, 1}, thaw::Activation::relu);
  return plan;
}

class MeluLearner : public Learner {
 public:
  using Backend = thaw::CpuEigen;
  using A = thaw::Array<float, Backend>;
  using V = thaw::Var<float, Backend>;
  using Model = Melu<A>;
  using Tower = thaw::Mlp<A>;

  MeluLearner(const thaw::Dataset& data, const MeluOptions& options)
      : options_(options),
        items_(data.items, true),
        users_(data.users, false),
        parameters_(melu_plan(items_, users_, options), weights_, options.seed),
        adam_(parameters_),
        batch_(parameters_.values(), weights_, options.threads, &kind_of) {
    loop_.steps = options.inner_steps;
    loop_.rate = options.local_rate;
    loop_.order = options.first_order ? thaw::MetaOrder::first_order : thaw::MetaOrder::exact;
  }

  std::int64_t parameter_count() const override { return thaw::parameter_count(parameters_.values()); }

  double train(std::span<const thaw::Episode> episodes) override {
    const auto count = static_cast<thaw::Index>(episodes.size());
    const double loss = batch_.gradient(count, [&](auto& worker, const Melu<V>& model, thaw::Index e) {
      return episode_loss(worker.tape, model, episodes[static_cast<std::size_t>(e)]);
    });
    adam_.step(parameters_, {batch_.count(), batch_.dense(), batch_.rows()}, options_.rate);
    return loss;
  }

  std::unique_ptr<Adapted> adapt(std::int32_t user, const thaw::Episode::Part& support, int steps) const override {
    auto adapted = std::make_unique<User>(*this, user);
    thaw::GrowingArena arena;
    Backend::Context context{&arena, 1};
    thaw::Tape<float, Backend> tape(context);
    const Examples seen = read(arena, context, user, support);
    if (seen.input.rows == 0) return adapted;
    const A x = on(context).features(seen.input);
    adapted->fast.adapt(tape, steps, [&](int, const auto& tower) { return thaw::mse(tower(x), seen.labels); });
    return adapted;
  }

  // The query loss after the inner loop, recorded.
  V episode_loss(thaw::Tape<float, Backend>& tape, const Melu<V>& model, const thaw::Episode& episode) const {
    const Examples seen = read(tape.arena(), tape.context(), episode.user, episode.support);
    const Examples asked = read(tape.arena(), tape.context(), episode.user, episode.query);
    if (asked.input.rows == 0) return tape.constant(zero(tape.context()));
    thaw::Mlp<V> tower = model.tower;
    if (seen.input.rows > 0) {
      const V x = model.features(seen.input);
      tower = thaw::adapt(tower, loop_, [&](int, const auto& now) { return thaw::mse(now(x), seen.labels); });
    }
    return thaw::mse(tower(model.features(asked.input)), asked.labels);
  }

  const MeluOptions& options() const { return options_; }
  thaw::Parameters<Melu<thaw::Spec>, float, Backend>& parameters() { return parameters_; }
  const Model& weights() const { return parameters_.values(); }
  std::size_t worker_peak_bytes() const { return batch_.worker_peak_bytes(); }

 protected:
  struct Examples {
    MeluInput input;
    A labels;  // (rows, 1)
  };

  // Records, and under Objective::ranking negatives after them, as rows.
  Examples read(thaw::Arena& arena, Backend::Context& context, const std::int32_t& user,
                const thaw::Episode::Part& part) const {
    const bool ranking = options_.objective == Objective::ranking;
    const std::size_t records = part.items.size(), negatives = ranking ? part.negatives.size() : 0;
    auto* ids = arena.take<std::int32_t>(static_cast<thaw::Index>(records + negatives));
    Examples out;
    out.labels = A::make(context, {static_cast<thaw::Index>(records + negatives), 1});
    for (std::size_t i = 0; i < records; ++i) {
      ids[i] = part.items[i];
      out.labels.data[i] = ranking ? 1.0F : part.labels[i];
    }
    for (std::size_t i = 0; i < negatives; ++i) {
      ids[records + i] = part.negatives[i];
      out.labels.data[records + i] = 0;
    }
    out.input = MeluInput::make(items_, users_, user, {ids, records + negatives}, arena);
    return out;
  }

 private:
  // A user's own tower.
  struct User : Adapted {
    const MeluLearner& learner;
    std::int32_t user;
    std::unique_ptr<std::byte[]> buffer;
    thaw::FastWeights<Tower, float, Backend> fast;

    User(const MeluLearner& from, std::int32_t who)
        : learner(from),
          user(who),
          buffer(new std::byte[from.copy_bytes()]),
          fast(from.parameters_.values().tower, from.loop_, buffer.get(), from.copy_bytes()) {}

    void score(std::span<const std::int32_t> items, std::span<float> out) const override {
      constexpr std::size_t kBlock = 512;
      thaw::GrowingArena arena;
      Backend::Context context{&arena, 1};
      const Model shared = learner.on(context);
      const Tower tower = thaw::map_unnamed<A>(fast.model(), [&](const A& a) { return thaw::on<Backend>(context, a); });
      for (std::size_t begin = 0; begin < items.size(); begin += kBlock) {
        thaw::ArenaScope scope(arena);
        const auto part = items.subspan(begin, (std::min)(kBlock, items.size() - begin));
        const MeluInput in = MeluInput::make(learner.items_, learner.users_, user, part, arena);
        const A y = tower(shared.features(in));
        for (std::size_t i = 0; i < part.size(); ++i) out[begin + i] = y[static_cast<thaw::Index>(i)];
      }
    }
  };

  static thaw::MetaGradient kind_of(const thaw::Path& path) {
    return path.text[0] == 't' ? thaw::MetaGradient::dense : thaw::MetaGradient::gathered;
  }
  static A zero(Backend::Context& context) {
    const A out = A::make(context, {});
    out[0] = 0;
    return out;
  }
  std::size_t copy_bytes() const {
    return thaw::FastWeights<Tower, float, Backend>::bytes(parameters_.values().tower, loop_);
  }
  // The shared weights, computing in another context.
  Model on(Backend::Context& context) const {
    return thaw::map_unnamed<A>(parameters_.values(), [&](const A& a) { return thaw::on<Backend>(context, a); });
  }
  MeluOptions options_;
  thaw::InnerLoop loop_;
  MeluFields items_, users_;
  thaw::GrowingArena weight_arena_;
  Backend::Context weights_{&weight_arena_, 1};
  thaw::Parameters<Melu<thaw::Spec>, float, Backend> parameters_;
  thaw::Adam<float, Backend> adam_;
  thaw::MetaBatch<Model, float, Backend> batch_;
};

}  // namespace hyperrs
