// TaNP as a learner: a task-adaptive neural process (Lin et al., WWW 2021). The network is in tanp_network.hpp.
//
//   auto learner = hyperrs::make_tanp(world, options);
//   double loss = learner->train(episodes);
//   auto adapted = learner->adapt(user, support, 1);      // averages over the support; no gradient step
//
// Every number of steps above zero adapts alike; zero steps is what an empty support gives.
//
// `paper`: one-hot ids of users and items, published sizes, Adam at 1e-4. `best`: ids of items only, the attributes of
// both sides beside them, labels centred, the latent KL of a user divided by her records, Adam at 1e-3.
// Where this differs from the published code (github.com/IIEdm/TaNP):
//   1. its target distribution is normalised over an axis of size one, so it is 1 everywhere and the clustering loss
//      pulls towards equal assignments; here it is normalised over the centroids, as the paper says
//   2. z is drawn at random when users are tested; here the mean is taken, so that a score can be repeated
//   3. a test user's one-hot row was never trained and is noise; here she has no row (zeros), as has an item that no
//      training user has a record of
//   4. support and query are the episode's; the code draws a new context of at least 20 records at each pass
//   5. rows of the id tables move only when a batch touches them; dense Adam keeps moving them
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "hyperrs/episode_rows.hpp"
#include "hyperrs/tanp_network.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/optim/adam.hpp"

namespace hyperrs {

struct TanpOptions {
  TanpSizes sizes;
  TanpWeights weights;
  Objective objective = Objective::ranking;
  bool user_ids = true;
  bool attributes = false;
  bool latent_per_record = false;  // a user's latent KL is divided by her records: the bound of a mean over records
  float centre = 0;                // taken off the labels, added to the scores
  double rate = 1e-4;
  int threads = 1;
  std::uint64_t seed = 1;
};

// A user of training as she is packed: her support rows come first.
struct TanpRows {
  std::int32_t user = 0;
  Rows support, query;
};

class TanpLearner : public Learner {
 public:
  using Backend = thaw::CpuEigen;
  using A = thaw::Array<float, Backend>;
  using Network = Tanp<A>;

  TanpLearner(const World& world, const TanpOptions& options)
      : data_(world.data),
        options_(sized(options, *world.data)),
        known_users_(with_records(world.train.by_user, options.user_ids ? data_->users.size() : 0)),
        known_items_(with_records(world.train.by_item, data_->items.size())),
        weights_{&weight_arena_, 1},
        context_{&arena_, options.threads},
        parameters_(tanp_plan(options_.sizes), weights_, options.seed),
        adam_(parameters_),
        tape_(context_) {}

  std::int64_t parameter_count() const override { return thaw::parameter_count(parameters_.values()); }

  // Returns the mean squared error of the query records in the training pass, whose z has seen their labels.
  double train(std::span<const thaw::Episode> episodes) override {
    thaw::Scope scope(tape_);
    const Packed packed = pack(episodes);
    if (packed.batch.users == 0) return 0;
    const auto net = parameters_.on(tape_);
    const auto out = net(packed.batch);
    const A target = target_distribution(out.assignment.array());
    TanpWeights weights = options_.weights;
    if (options_.latent_per_record)
      weights.latent *= static_cast<double>(packed.batch.users) / static_cast<double>(packed.batch.rows);
    const auto loss = tanp_loss(net, packed.batch, out, target, weights);
    adam_.step(parameters_, parameters_.gradient(loss), options_.rate);
    ++steps_;
    return packed.query_error(out.predicted);
  }

  std::unique_ptr<Adapted> adapt(std::int32_t user, const thaw::Episode::Part& support, int steps) const override {
    return std::make_unique<User>(*this, user, steps > 0 ? support : thaw::Episode::Part{});
  }

  const TanpOptions& options() const { return options_; }
  const Network& network() const { return parameters_.values(); }

 private:
  struct Packed {
    TanpBatch<float> batch;
    const std::uint8_t* asked = nullptr;  // (rows): is of a query
    double query_error(const A& predicted) const {
      double sum = 0, count = 0;
      for (Index i = 0; i < batch.rows; ++i) {
        if (asked[i] == 0) continue;
        const double error = static_cast<double>(predicted[i]) - static_cast<double>(batch.labels[i]);
        sum += error * error;
        count += 1;
      }
      return count > 0 ? sum / count : 0;
    }
  };

  static TanpOptions sized(TanpOptions options, const thaw::Dataset& data) {
    TanpSizes& sizes = options.sizes;
    const auto fill = [&](const thaw::Entities& side, bool ids, Index* fields) {
      int count = 0;
      if (ids) fields[count++] = side.size();
      if (!options.attributes) return count;
      thaw::require(static_cast<int>(side.attributes.size()) + count <= kMaxFields, "TaNP: ", side.attributes.size(),
                    " attributes on one side, at most ", kMaxFields - 1, " are read");
      for (const thaw::Attribute& attribute : side.attributes) fields[count++] = attribute.cardinality();
      return count;
    };
    sizes.user_field_count = fill(data.users, options.user_ids, sizes.user_fields);
    sizes.item_field_count = fill(data.items, true, sizes.item_fields);
    return options;
  }

  void pack_side(const thaw::Entities& side, std::span<const std::int32_t> of, const std::vector<std::uint8_t>* ids,
                 thaw::Arena& arena, Bags* fields) const {
    int count = 0;
    if (ids != nullptr) fields[count++] = id_bags(of, *ids, arena);
    if (!options_.attributes) return;
    for (int a = 0; a < static_cast<int>(side.attributes.size()); ++a)
      fields[count++] = attribute_bags(side, a, of, /*mean*/ true, arena);
  }
  void pack_items(std::span<const std::int32_t> items, thaw::Arena& arena, Bags* fields) const {
    pack_side(data_->items, items, &known_items_, arena, fields);
  }
  void pack_users(std::span<const std::int32_t> users, thaw::Arena& arena, Bags* fields) const {
    pack_side(data_->users, users, options_.user_ids ? &known_users_ : nullptr, arena, fields);
  }

  // Users without any record are left out.
  Packed pack(std::span<const thaw::Episode> episodes) {
    auto* users = arena_.take<TanpRows>(static_cast<Index>(episodes.size()));
    Packed packed;
    TanpBatch<float>& batch = packed.batch;
    for (const thaw::Episode& episode : episodes) {
      const TanpRows rows{episode.user, rows_of(episode.support, options_.objective, arena_),
                          rows_of(episode.query, options_.objective, arena_)};
      if (rows.support.count + rows.query.count == 0) continue;
      users[batch.users++] = rows;
      batch.rows += rows.support.count + rows.query.count;
    }
    auto* items = arena_.take<std::int32_t>(batch.rows);
    auto* labels = arena_.take<float>(batch.rows);
    auto* weights = arena_.take<float>(batch.rows);
    auto* owner = arena_.take<std::int32_t>(batch.rows);
    auto* asked = arena_.take<std::uint8_t>(batch.rows);
    auto* names = arena_.take<std::int32_t>(batch.users);
    auto* begins = arena_.take<std::int32_t>(batch.users + 1);
    auto* context = arena_.take<std::int32_t>(batch.users + 1);
    Index at = 0, seen = 0;
    auto* support_rows = arena_.take<std::int32_t>(batch.rows);
    for (Index u = 0; u < batch.users; ++u) {
      names[u] = users[u].user;
      begins[u] = static_cast<std::int32_t>(at);
      context[u] = static_cast<std::int32_t>(seen);
      const Index count = users[u].support.count + users[u].query.count;
      for (const Rows* part : {&users[u].support, &users[u].query})
        for (Index i = 0; i < part->count; ++i, ++at) {
          items[at] = part->items[i];
          labels[at] = part->labels[i] - options_.centre;
          weights[at] = 1.0F / static_cast<float>(count * batch.users);
          owner[at] = static_cast<std::int32_t>(u);
          asked[at] = part == &users[u].query ? 1 : 0;
          if (asked[at] == 0) support_rows[seen++] = static_cast<std::int32_t>(at);
        }
    }
    begins[batch.users] = static_cast<std::int32_t>(at);
    context[batch.users] = static_cast<std::int32_t>(seen);
    pack_items({items, static_cast<std::size_t>(at)}, arena_, batch.item);
    pack_users({names, static_cast<std::size_t>(batch.users)}, arena_, batch.user);
    batch.owner = {owner, nullptr, at, false};
    batch.context = {support_rows, context, batch.users, /*mean*/ true};
    batch.target = {count_up(0, at, arena_), begins, batch.users, /*mean*/ true};
    batch.labels = labels;
    batch.weights = weights;
    batch.noise = noise(batch.users);
    packed.asked = asked;
    return packed;
  }
  // The same for the same step of the same seed.
  const float* noise(Index users) {
    thaw::Philox rng(thaw::Key{options_.seed}.fold(0x7a).fold(static_cast<std::uint64_t>(steps_)));
    auto* out = arena_.take<float>(users * options_.sizes.latent);
    for (Index i = 0; i < users * options_.sizes.latent; ++i) out[i] = static_cast<float>(rng.normal());
    return out;
  }

  // A user's z and o, and the network in an arena of her own: one thread at a time may score with one of these.
  class User final : public Adapted {
   public:
    User(const TanpLearner& from, std::int32_t user, const thaw::Episode::Part& support)
        : from_(&from), net_(thaw::map_unnamed<A>(from.parameters_.values(), [&](const A& a) {
            return thaw::on<Backend>(context_, a);
          })) {
      Bags fields[kMaxFields];
      from.pack_users({&user, 1}, arena_, fields);
      user_ = net_.user(fields, 1);
      Rows rows = rows_of(support, from.options_.objective, arena_);
      for (Index i = 0; i < rows.count; ++i) rows.labels[i] -= from.options_.centre;
      const A known = net_.records(pairs(rows.span()), A::view(context_, rows.labels, {rows.count, 1}));
      auto* offsets = arena_.take<std::int32_t>(2);
      offsets[0] = 0;
      offsets[1] = static_cast<std::int32_t>(rows.count);
      const Bags all{count_up(0, rows.count, arena_), offsets, 1, /*mean*/ true};
      z_ = net_.belief(thaw::gather(net_.latent_record(known), all)).mean;
      const A task = thaw::gather(net_.task_record(known), all);
      o_ = net_.recall(task, net_.assign(task));
    }

    void score(std::span<const std::int32_t> items, std::span<float> out) const override {
      thaw::require(items.size() == out.size(), "score: ", items.size(), " items, room for ", out.size());
      constexpr std::size_t kChunk = 512;  // activations of a chunk stay in the cache
      for (std::size_t begin = 0; begin < items.size(); begin += kChunk) {
        thaw::ArenaScope scope(arena_);
        const auto part = items.subspan(begin, (std::min)(kChunk, items.size() - begin));
        const A y = net_.decode(pairs(part), z_, o_, owner(part.size()));
        for (std::size_t i = 0; i < part.size(); ++i)
          out[begin + i] = y[static_cast<Index>(i)] + from_->options_.centre;
      }
    }

   private:
    Bags owner(std::size_t rows) const {
      auto* ids = arena_.take<std::int32_t>(static_cast<Index>(rows));
      std::fill_n(ids, rows, 0);
      return {ids, nullptr, static_cast<Index>(rows), false};
    }
    A pairs(std::span<const std::int32_t> items) const {
      Bags fields[kMaxFields];
      from_->pack_items(items, arena_, fields);
      return net_.pairs(net_.item(fields, static_cast<Index>(items.size())), user_, owner(items.size()));
    }

    const TanpLearner* from_;
    mutable thaw::GrowingArena arena_{std::size_t(1) << 16};
    mutable Backend::Context context_{&arena_, 1};
    Network net_;
    A user_, z_, o_;
  };

  const thaw::Dataset* data_;
  TanpOptions options_;
  std::vector<std::uint8_t> known_users_, known_items_;
  thaw::GrowingArena weight_arena_, arena_;
  Backend::Context weights_, context_;
  thaw::Parameters<Tanp<Spec>, float, Backend> parameters_;
  thaw::Adam<float, Backend> adam_;
  thaw::Tape<float, Backend> tape_;
  std::int64_t steps_ = 0;
};

inline TanpOptions tanp_options(const World& world, const LearnerOptions& options) {
  TanpOptions own;
  own.objective = world.objective;
  own.threads = options.threads;
  own.seed = options.seed;
  if (options.variant == Variant::paper) return own;
  const double middle = 0.5 * static_cast<double>(world.data->lowest + world.data->highest);
  own.user_ids = false;
  own.attributes = own.latent_per_record = true;
  own.centre = world.objective == Objective::rating ? static_cast<float>(world.train.mean(middle)) : 0.0F;
  own.rate = 1e-3;
  return own;
}

// The learner keeps a reference to the data set of `world`, and nothing else of it.
inline std::unique_ptr<TanpLearner> make_tanp(const World& world, const LearnerOptions& options) {
  return std::make_unique<TanpLearner>(world, tanp_options(world, options));
}

}  // namespace hyperrs
