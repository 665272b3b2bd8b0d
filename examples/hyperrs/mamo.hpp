// MAMO as a learner: memory-augmented meta-optimisation (Dong et al., KDD 2020). The network is in mamo_network.hpp.
//
//   auto learner = hyperrs::make_mamo(world, options);
//   double loss = learner->train(episodes);               // cross-entropy of the query, mean over users
//   auto adapted = learner->adapt(user, support, 3);      // passes over the support
//
// A record's label is a class: each rating value that training has (rating; a score is the expected rating), or
// negative and record (ranking; a score is the difference of their logits). Reads every attribute of the data set; a
// side without any falls back: items on the ids that training knows, users on one profile for all.
//
// `paper`: width 100, 3 slots, local Adam at 0.01 in batches of 5, first order, outer steps of 0.05 on the sum over
// the users, gradients clipped to a norm of 5; the paper makes 3 passes. `best`: options.width, plain local steps on
// the whole support with exact second order (or first, as asked), Adam at 1e-3, mixing layers that start at unit gain.
// Where this differs from the published code (github.com/dongmanqing/Code-for-MAMO):
//   1. the matrix A of the attention is a new random layer at every call there; here it is trained
//   2. softmax comes before a cross-entropy that takes its own softmax; here once
//   3. biases and embedding tables are neither stored, reset nor trained by the outer step, so what one user's local
//      steps (test users' too) do to them stays; here both are outer weights, biases move locally on a copy, tables do
//      not move locally
//   4. only the first 100 training users are ever seen; here whatever episodes are given
//   5. at test the personal start is overwritten by phi, and "best phi" is what the last adapted user left; here test
//      and training adapt alike, and adapting is const
//   6. reading M_p writes it, at test as well; here memories are written in training alone
//   7. all slots of M_u start as one tensor; here each has its own
//   8. ndcg sorts the true ratings inside the predicted top k; scores are judged elsewhere here
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "hyperrs/episode_rows.hpp"
#include "hyperrs/mamo_local.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/optim/adam.hpp"
#include "thaw/optim/clip.hpp"
#include "thaw/optim/sgd.hpp"

namespace hyperrs {

struct MamoOptions {
  MamoSizes sizes;  // fields and classes are set from the world
  Objective objective = Objective::rating;
  MamoSteps steps;
  MamoWriteRates writes;
  bool exact = false;       // second order; needs plain local steps
  bool outer_adam = false;  // else plain steps
  bool sum_users = true;    // of outer gradients; else their mean
  double tau = 0.01;
  double rate = 0.05;
  double clip = 5;  // of a user's outer gradient; 0: none
  int threads = 1;
  std::uint64_t seed = 1;
};

class MamoLearner : public Learner {
 public:
  using Backend = thaw::CpuEigen;
  using A = thaw::Array<float, Backend>;
  using V = thaw::Var<float, Backend>;
  using Memory = MamoMemory<A>;

  MamoLearner(const World& world, const MamoOptions& options)
      : data_(world.data),
        levels_(levels_of(world)),
        options_(sized(options, *world.data, static_cast<Index>(levels_.size()))),
        known_items_(with_records(world.train.by_item, data_->items.size())),
        everybody_(static_cast<std::size_t>(1), 1),
        weights_{&weight_arena_, 1},
        sums_{&sum_arena_, 1},
        context_{&arena_, options.threads},
        parameters_(mamo_plan(options_.sizes), weights_, options.seed),
        memory_(mamo_memory_plan(options_.sizes), weights_, options.seed + 1),
        adam_(parameters_),
        sgd_(parameters_),
        tape_(context_) {
    thaw::require(!options_.exact || options_.steps.rule == LocalRule::sgd,
                  "MAMO: exact second order needs plain local steps");
  }

  std::int64_t parameter_count() const override { return thaw::parameter_count(parameters_.values()); }

  double train(std::span<const thaw::Episode> episodes) override {
    thaw::Scope scope(tape_);
    thaw::ArenaScope sums(sum_arena_);
    const auto count = static_cast<Index>(episodes.size());
    auto* tasks = arena_.take<Task>(count);
    Index users = 0;
    for (const thaw::Episode& episode : episodes) {
      const Task task = pack(episode.user, episode.support, episode.query, arena_);
      if (task.query.rows.count > 0) tasks[users++] = task;
    }
    if (users == 0) return 0;
    const thaw::GradientList<float, Backend> total = zero_gradients();
    double loss = 0;
    for (Index u = 0; u < users; ++u) loss += learn(tasks[u], total);
    const double share = options_.sum_users ? 1 : 1 / static_cast<double>(users);
    thaw::detail::for_each_gradient(total, [&](const A& g) {
      Backend::affine_map(sums_, g.size(), static_cast<float>(share), 0.0F, g.data, g.data);
    });
    if (options_.outer_adam)
      adam_.step(parameters_, total, options_.rate);
    else
      sgd_.step(parameters_, total, options_.rate);
    return loss / static_cast<double>(users);
  }

  // `steps`: passes over the support.
  std::unique_ptr<Adapted> adapt(std::int32_t user, const thaw::Episode::Part& support, int steps) const override {
    return std::make_unique<User>(*this, user, support, steps);
  }

  const MamoOptions& options() const { return options_; }
  const Memory& memory() const { return memory_.values(); }
  const std::vector<float>& levels() const { return levels_; }

 private:
  struct Side {
    Rows rows;
    Bags bags[kMamoFields];
    std::int32_t* classes = nullptr;
  };
  struct Task {
    Bags user[kMamoFields];
    Side support, query;
  };

  // The values that labels take, ascending.
  static std::vector<float> levels_of(const World& world) {
    if (world.objective == Objective::ranking) return {0, 1};
    std::vector<float> levels;
    for (const thaw::Csr::Edge& edge : world.train.by_user.edges) {
      const auto at = std::lower_bound(levels.begin(), levels.end(), edge.value);
      if (at == levels.end() || *at != edge.value) levels.insert(at, edge.value);
    }
    if (levels.size() < 2) levels = {world.data->lowest, world.data->highest};
    return levels;
  }
  std::int32_t class_of(float label) const {
    const auto above = std::lower_bound(levels_.begin(), levels_.end(), label);
    const auto at = static_cast<std::int32_t>(above - levels_.begin());
    if (above == levels_.end()) return at - 1;
    return at > 0 && label - levels_[static_cast<std::size_t>(at - 1)] < *above - label ? at - 1 : at;
  }
  static MamoOptions sized(MamoOptions options, const thaw::Dataset& data, Index classes) {
    const auto fill = [](const thaw::Entities& side, Index otherwise, Index* rows, bool* several) {
      const int count = static_cast<int>(side.attributes.size());
      thaw::require(count <= kMamoFields, "MAMO: ", count, " attributes on one side, at most ", kMamoFields,
                    " are read");
      for (int f = 0; f < count; ++f) {
        const thaw::Attribute& attribute = side.attributes[static_cast<std::size_t>(f)];
        rows[f] = attribute.cardinality();
        for (std::int32_t e = 0; e < side.size(); ++e) several[f] = several[f] || attribute.of(e).size() > 1;
      }
      if (count == 0) rows[0] = otherwise;
      return (std::max)(count, 1);
    };
    MamoSizes& sizes = options.sizes;
    sizes.user_field_count = fill(data.users, 1, sizes.user_fields, sizes.user_several);
    sizes.item_field_count = fill(data.items, data.items.size(), sizes.item_fields, sizes.item_several);
    sizes.classes = classes;
    return options;
  }

  void pack_user(std::int32_t user, thaw::Arena& arena, Bags* bags) const {
    auto* id = arena.take<std::int32_t>(1);
    *id = user;
    for (int f = 0; f < static_cast<int>(data_->users.attributes.size()); ++f)
      bags[f] = attribute_bags(data_->users, f, {id, 1}, false, arena);
    if (!data_->users.attributes.empty()) return;
    *id = 0;
    bags[0] = id_bags({id, 1}, everybody_, arena);
  }
  void pack_items(std::span<const std::int32_t> items, thaw::Arena& arena, Bags* bags) const {
    for (int f = 0; f < static_cast<int>(data_->items.attributes.size()); ++f)
      bags[f] = attribute_bags(data_->items, f, items, false, arena);
    if (data_->items.attributes.empty()) bags[0] = id_bags(items, known_items_, arena);
  }
  Task pack(std::int32_t user, const thaw::Episode::Part& support, const thaw::Episode::Part& query,
            thaw::Arena& arena) const {
    Task task;
    pack_user(user, arena, task.user);
    const auto fill = [&](Side& side, const thaw::Episode::Part& part) {
      side.rows = rows_of(part, options_.objective, arena);
      side.classes = arena.take<std::int32_t>(side.rows.count);
      for (Index i = 0; i < side.rows.count; ++i) side.classes[i] = class_of(side.rows.labels[i]);
      pack_items(side.rows.span(), arena, side.bags);
    };
    fill(task.support, support);
    fill(task.query, query);
    return task;
  }

  // One training user: adds her gradient to `total`, writes the memories, returns her query loss.
  double learn(const Task& task, const thaw::GradientList<float, Backend>& total) {
    thaw::Scope scope(tape_);
    const Memory memory = working_memory();
    const auto net = parameters_.on(tape_);
    const V profile = net.profile(task.user);
    const V attention = address(net, profile, memory);
    const MamoLocal<V> start = personal_start(net, attention, memory, options_.tau);
    const V seen = net.items(task.support.bags);
    MamoLocal<V> local;
    if (options_.exact) {
      local = recorded_steps(start, profile, seen, task.support.classes, options_.steps);
    } else {
      const MamoLocal<A> fast = own_copy<A>(context_, start);
      move_locally(tape_, fast, profile.array(), seen.array(), task.support.classes, options_.steps);
      local = moved_to(start, fast);
    }
    const V loss = thaw::cross_entropy(local(profile, net.items(task.query.bags)), task.query.classes);
    const MamoTower<A> of_user = thaw::gradient(loss, local.user);
    const auto gradient = parameters_.gradient(loss);
    const double norm = options_.clip > 0 ? thaw::clip_norm(gradient, options_.clip) : 0;
    const double factor = norm > options_.clip ? options_.clip / norm : 1;
    const auto clipped = thaw::map_unnamed<A>(of_user, [&](const A& g) { return thaw::scale(g, factor); });
    add_gradient(gradient, total);
    write_memory(memory, attention.array(), profile.array(), clipped, local.memory.weight.array(), options_.writes);
    return static_cast<double>(loss.item());
  }
  // The memories' numbers, computing in the step's arena.
  Memory working_memory() {
    return thaw::map_unnamed<A>(memory_.values(), [&](const A& a) { return thaw::on<Backend>(context_, a); });
  }

  thaw::GradientList<float, Backend> zero_gradients() {
    const int count = parameters_.count();
    thaw::GradientList<float, Backend> list{count, sum_arena_.take<A>(count),
                                            sum_arena_.take<thaw::RowGradient<float, Backend>*>(count)};
    for (int i = 0; i < count; ++i) {
      list.rows[i] = nullptr;
      list.dense[i] = A{};
      if (parameters_.slot(i).row_table) continue;
      list.dense[i] = A::make(sums_, parameters_.slot(i).value.shape);
      Backend::fill(sums_, list.dense[i].size(), 0.0F, list.dense[i].data);
    }
    return list;
  }
  // Rows are copied, for the tape that holds them rewinds; the ids live as long as the batch.
  void add_gradient(const thaw::GradientList<float, Backend>& from, const thaw::GradientList<float, Backend>& to) {
    using RowsOf = thaw::RowGradient<float, Backend>;
    for (int i = 0; i < from.count; ++i) {
      if (!parameters_.slot(i).row_table)
        Backend::add_scaled(sums_, to.dense[i].size(), 1.0F, to.dense[i].data, 1.0F, from.dense[i].data,
                            to.dense[i].data);
      for (const RowsOf* g = from.rows[i]; g != nullptr; g = g->next) {
        const A rows = A::make(sums_, g->rows.shape);
        Backend::copy(sums_, rows.size(), g->rows.data, rows.data);
        auto* kept = sum_arena_.take<RowsOf>(1);
        *kept = {g->bags, rows, to.rows[i]};
        to.rows[i] = kept;
      }
    }
  }

  // A user's own weights, and the tables of the items, in an arena of her own: one thread at a time may score.
  class User final : public Adapted {
   public:
    User(const MamoLearner& from, std::int32_t user, const thaw::Episode::Part& support, int steps)
        : from_(&from), net_(on(context_, from)) {
      thaw::GrowingArena work_arena;  // given back at once: an adapted user keeps her weights alone
      Backend::Context work{&work_arena, 1};
      thaw::Tape<float, Backend> tape(work);
      const Task task = from.pack(user, support, {}, work_arena);
      const Mamo<A> net = on(work, from);
      const Memory memory =
          thaw::map_unnamed<A>(from.memory_.values(), [&](const A& a) { return thaw::on<Backend>(work, a); });
      const A profile = net.profile(task.user);
      local_ = own_copy<A>(context_, personal_start(net, address(net, profile, memory), memory, from.options_.tau));
      MamoSteps rule = from.options_.steps;
      rule.passes = steps;
      move_locally(tape, local_, profile, net.items(task.support.bags), task.support.classes, rule);
      profile_ = A::make(context_, profile.shape);
      std::copy(profile.begin(), profile.end(), profile_.begin());
    }

    void score(std::span<const std::int32_t> items, std::span<float> out) const override {
      thaw::require(items.size() == out.size(), "score: ", items.size(), " items, room for ", out.size());
      constexpr std::size_t kChunk = 256;  // activations of a chunk stay in the cache
      for (std::size_t begin = 0; begin < items.size(); begin += kChunk) {
        thaw::ArenaScope scope(arena_);
        const auto part = items.subspan(begin, (std::min)(kChunk, items.size() - begin));
        Bags bags[kMamoFields];
        from_->pack_items(part, arena_, bags);
        const A logits = local_(profile_, net_.items(bags));
        if (from_->options_.objective == Objective::ranking)
          for (std::size_t i = 0; i < part.size(); ++i)
            out[begin + i] = logits[static_cast<Index>(2 * i + 1)] - logits[static_cast<Index>(2 * i)];
        else
          expected(thaw::softmax(logits), out.subspan(begin, part.size()));
      }
    }

   private:
    static Mamo<A> on(Backend::Context& context, const MamoLearner& from) {
      return thaw::map_unnamed<A>(from.parameters_.values(), [&](const A& a) { return thaw::on<Backend>(context, a); });
    }
    void expected(const A& chances, std::span<float> out) const {
      const std::vector<float>& levels = from_->levels_;
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = 0;
        for (std::size_t c = 0; c < levels.size(); ++c)
          out[i] += chances[static_cast<Index>(i * levels.size() + c)] * levels[c];
      }
    }

    const MamoLearner* from_;
    mutable thaw::GrowingArena arena_{std::size_t(1) << 16};
    mutable Backend::Context context_{&arena_, 1};
    Mamo<A> net_;  // its tables of items are read
    MamoLocal<A> local_;
    A profile_;
  };

  const thaw::Dataset* data_;
  std::vector<float> levels_;
  MamoOptions options_;
  std::vector<std::uint8_t> known_items_, everybody_;
  thaw::GrowingArena weight_arena_, sum_arena_, arena_;
  Backend::Context weights_, sums_, context_;
  thaw::Parameters<Mamo<Spec>, float, Backend> parameters_;
  thaw::Parameters<MamoMemory<Spec>, float, Backend> memory_;  // for their memory and start; never stepped
  thaw::Adam<float, Backend> adam_;
  thaw::Sgd<float, Backend> sgd_;
  thaw::Tape<float, Backend> tape_;
};

inline MamoOptions mamo_options(const World& world, const LearnerOptions& options) {
  MamoOptions own;
  own.objective = world.objective;
  own.threads = options.threads;
  own.seed = options.seed;
  own.steps.passes = options.inner_steps;
  if (options.variant == Variant::paper) return own;
  own.sizes.width = options.width;
  own.sizes.task_start = 1 / __builtin_sqrt(2 * static_cast<double>(options.width));
  own.steps.rule = LocalRule::sgd;
  own.steps.batch = 0;
  own.steps.clip = 0;
  own.steps.rate = 0.1;
  own.exact = !options.first_order;
  own.outer_adam = true;
  own.sum_users = false;
  own.rate = 1e-3;
  own.clip = 0;
  return own;
}

// The learner keeps a reference to the data set of `world`, and nothing else of it.
inline std::unique_ptr<MamoLearner> make_mamo(const World& world, const LearnerOptions& options) {
  return std::make_unique<MamoLearner>(world, mamo_options(world, options));
}

}  // namespace hyperrs
