// BlendLearner: training and adapting the network of hyperrs_best.hpp.
//
//   hyperrs::BlendLearner learner(world, options);
//   learner.train(episodes);
//   auto adapted = learner.adapt(user, support, /*steps*/ 1);
//
// One step takes all users of a meta-batch as one matrix. A support without usable items (empty, or items that do not
// exist) is answered by popularity. Under the rating objective the evidence is the item's mean and the user's bias
// (rating_start.hpp).
#pragma once

#include <algorithm>
#include <iterator>
#include <numeric>

#include "hyperrs/hyperrs_best.hpp"
#include "hyperrs/item_factors.hpp"
#include "hyperrs/rating_start.hpp"

namespace hyperrs {

class BlendLearner : public Learner {
 public:
  BlendLearner(const World& world, const LearnerOptions& options, const BestOptions& best = {})
      : options_(options),
        best_(for_objective(where_order_counts(best, world.chronological), world.objective)),
        objective_(world.objective),
        known_(world),
        evidence_(ranks() ? std::make_unique<Evidence>(world, best_.evidence) : nullptr),
        ratings_(world),
        model_(blend_plan(known_, features(), cold_features(), best_), options.seed, options.threads),
        items_(world.train.item_count()),
        lowest_(world.data->lowest),
        highest_(world.data->highest) {
    for (std::int32_t i = 0; i < items_; ++i) {
      const std::size_t records = world.train.by_item.row(i).size();
      if (records == 0) continue;
      catalogue_.push_back(i);
      popularity_.push_back(std::pow(static_cast<double>(records), 0.75));
    }
    std::partial_sum(popularity_.begin(), popularity_.end(), popularity_.begin());
    everything_.resize(static_cast<std::size_t>(items_));
    std::iota(everything_.begin(), everything_.end(), 0);
    position_.assign(everything_.size(), -1);
    start(world);
    keep_average(1);
    refresh();
  }

  std::int64_t parameter_count() const override { return model_.parameter_count(); }
  void attributes_changed() override {
    if (evidence_) evidence_->read_attributes();
    refresh();
  }

  double train(std::span<const thaw::Episode> all) override {
    const std::span<const thaw::Episode> batch = long_enough(all);
    if (batch.empty() || items_ == 0) return 0;
    cold_ = learns_cold() && (steps_ + 1) % best_.cold_every == 0;
    pack(batch, candidates(batch));
    const double users = static_cast<double>(batch.size());
    const double loss = model_.step(
        training_rate(), [&](const auto& net, auto& tape) { return thaw::scale(meta_loss(net, tape), 1 / users); });
    average();
    refresh();
    return loss;
  }

  std::unique_ptr<Adapted> adapt(std::int32_t, const thaw::Episode::Part& support, int steps) const override {
    thaw::GrowingArena arena;
    Backend::Context context{&arena, 1};
    const auto net = averaged(context);
    const Support read = read_support({&support, 1}, arena);
    Blend<FloatArray> blend =
        net.generate(read.bags, view(context, read.shares, {2, read.count}), view(context, read.sizes, {1, 1}));
    const auto rows = static_cast<std::size_t>(items_);
    std::vector<float> evidence(rows * static_cast<std::size_t>(features()));
    fill_evidence(-1, support, evidence);
    const bool any = std::any_of(support.items.begin(), support.items.end(), [&](std::int32_t i) { return exists(i); });
    if (ranks() && !any) return std::make_unique<UserScores>(popular(evidence), 0.0F);
    const auto every = view(context, evidence, {1, features(), items_});
    const float* last = evidence.data() + evidence.size() - rows * static_cast<std::size_t>(cold_features());
    const auto from_attributes = FloatArray::view(context, last, {1, cold_features(), items_});
    const auto written = view(context, written_, {items_, best_.width});
    const bool cold = ranks() && !any_known(support);
    std::vector<float> targets(rows), labels(rows);
    const auto place = [&](std::int32_t item) { return exists(item) && known_.known(item) != cold ? item : -1; };
    const bool learns = share(support, place, targets, labels) && (!cold || learns_cold());
    const auto hidden = view(context, cold ? hidden_known_ : unknown_, {1, items_});
    for (int step = 0; learns && step < steps; ++step) {
      thaw::Tape<float, Backend> tape(context);
      const Blend<FloatVar> now = thaw::map_unnamed<FloatVar>(blend, [&](const FloatArray& a) { return tape.leaf(a); });
      const FloatVar scores = cold ? blend_scores(now.cold, now.vector, from_attributes, written)
                                   : blend_scores(now.weights, now.vector, every, written);
      const auto loss = blend_loss(objective_, thaw::add(scores, hidden), view(context, targets, {1, items_}),
                                   view(context, labels, {1, items_}));
      const auto g = thaw::gradient(loss, moved(now, cold));
      blend = step_from(blend, g, net.rates, cold);
    }
    const FloatArray warm_scores = blend_scores(blend.weights, blend.vector, every, written);
    const FloatArray cold_scores = blend_scores(blend.cold, blend.vector, from_attributes, written);
    std::vector<float> out(rows);
    for (std::size_t i = 0; i < rows; ++i)
      out[i] = !ranks() || known_.known(static_cast<std::int32_t>(i)) ? warm_scores.data[i] : cold_scores.data[i];
    const auto base = static_cast<float>(ranks() ? 0 : ratings_.mean());
    for (float& s : out) s = ranks() ? s : (std::clamp)(s + base, lowest_, highest_);
    return std::make_unique<UserScores>(std::move(out), base);
  }

 private:
  // One number for every item. Items that do not exist are last in a ranking, and rated as the average.
  class UserScores : public Adapted {
   public:
    UserScores(std::vector<float> scores, float base) : scores_(std::move(scores)), otherwise_(base) {
      if (base == 0)
        for (const float s : scores_) otherwise_ = (std::min)(otherwise_, s - 1);
    }
    void score(std::span<const std::int32_t> items, std::span<float> out) const override {
      for (std::size_t i = 0; i < items.size(); ++i) {
        const bool exists = items[i] >= 0 && static_cast<std::size_t>(items[i]) < scores_.size();
        out[i] = exists ? scores_[static_cast<std::size_t>(items[i])] : otherwise_;
      }
    }

   private:
    std::vector<float> scores_;
    float otherwise_;
  };

  // Ratings start from their means exactly: a vector drawn by chance would be an error of a tenth of a star.
  static BestOptions for_objective(BestOptions options, Objective objective) {
    if (objective != Objective::rating) return options;
    options.weight_spread = options.vector_spread = 0;
    options.rate = options.rating_rate;
    return options;
  }
  // Chosen on validation users: what is learnt of more records is less of it chance, and may be learnt faster.
  double training_rate() const {
    if (!ranks()) return best_.rate;
    const auto records = static_cast<double>(evidence_->interactions().by_user.ids.size());
    return best_.rate * (std::clamp)(std::sqrt(records / 100'000), 1.0, 2.0);
  }

  // The support items of some users one after another; each user's shares of them, and by how much of hers each of
  // them counts where the last count most, (users, 2, count); the logarithm of how many she shows, (users).
  struct Support {
    ItemBags bags;
    std::vector<float> shares, sizes;
    thaw::Index count = 0;
  };

  static constexpr float kHidden = -1e4F;  // for what may not be recommended: no records, or in the support

  // What an inner step moves: the weights of one kind of items, and the vector.
  template <thaw::Value T>
  struct Moved {
    T weights, vector;
    static void each(auto&& visit, auto&... m) { visit("weights", m.weights...), visit("vector", m.vector...); }
  };
  template <thaw::Value T>
  static Moved<T> moved(const Blend<T>& blend, bool cold) {
    return {cold ? blend.cold : blend.weights, blend.vector};
  }
  template <thaw::Value T, class G, thaw::Value R>
  static Blend<T> step_from(const Blend<T>& from, const G& gradient, const Blend<R>& rates, bool cold) {
    Blend<T> to = from;
    T& weights = cold ? to.cold : to.weights;
    weights = thaw::sub(weights, thaw::mul(gradient.weights, cold ? rates.cold : rates.weights));
    to.vector = thaw::sub(to.vector, thaw::mul(gradient.vector, rates.vector));
    return to;
  }

  // What is known of a user without records: how popular items are, and of items without records, their values. The
  // generated weights do not say it: they correct what is said of a support, which holds popularity already.
  std::vector<float> popular(const std::vector<float>& evidence) const {
    const auto rows = static_cast<std::size_t>(items_);
    const auto of = [&](int row) { return evidence.data() + static_cast<std::size_t>(row) * rows; };
    const int values = evidence_->of_attributes() / 2;
    std::vector<float> out(of(Evidence::kPopularity), of(Evidence::kPopularity) + rows);
    for (std::size_t i = 0; i < rows; ++i)
      for (int a = 0; a < values && !known_.known(static_cast<std::int32_t>(i)); ++a)
        out[i] += of(Evidence::kAttributes + 2 * a + 1)[i] / static_cast<float>(values);
    return out;
  }
  static BestOptions where_order_counts(BestOptions options, bool chronological) {
    if (!chronological) options.half_life = options.evidence.half_life = kForever;
    return options;
  }
  thaw::Index features() const { return evidence_ ? evidence_->count() : RatingStart::kRows; }
  // The last rows of the evidence, which items without records have as well.
  thaw::Index cold_features() const { return (std::max)(1, evidence_ ? evidence_->of_attributes() : 0); }
  bool learns_cold() const { return evidence_ && evidence_->of_attributes() > 0 && best_.cold_every > 0; }
  bool any_known(const thaw::Episode::Part& part) const {
    return part.items.empty() ||
           std::any_of(part.items.begin(), part.items.end(), [&](std::int32_t i) { return known_.known(i); });
  }
  bool ranks() const { return objective_ == Objective::ranking; }
  bool exists(std::int32_t item) const { return item >= 0 && item < items_; }
  static FloatArray view(Backend::Context& context, const std::vector<float>& v, const thaw::Shape& shape) {
    return FloatArray::view(context, v.data(), shape);
  }
  void fill_evidence(std::int32_t training_user, const thaw::Episode::Part& part, std::span<float> out) const {
    if (evidence_)
      evidence_->fill(training_user, part.items, out);
    else
      ratings_.fill(training_user, part, out);
  }

  // Parts as rows of `read`; each record counts by 1, or by how far its rating is from the item's usual one.
  Support read_support(std::span<const thaw::Episode::Part> parts, thaw::Arena& arena) const {
    std::vector<std::int32_t> items;
    for (const auto& part : parts) items.insert(items.end(), part.items.begin(), part.items.end());
    if (items.empty()) items.push_back(-1);
    Support out;
    out.count = static_cast<thaw::Index>(items.size());
    out.bags = known_.bags(items, arena);
    out.shares.assign(2 * parts.size() * items.size(), 0.0F);
    float* to = out.shares.data();
    for (const auto& part : parts) {
      const std::size_t n = part.items.size();
      out.sizes.push_back(std::log(static_cast<float>(n + 1) / 10));
      const double fades = std::exp2(-1 / best_.half_life);
      const double squares = (1 - std::pow(fades, 2 * static_cast<double>(n))) / (1 - fades * fades);
      for (std::size_t i = 0; i < n; ++i) {
        const float say = ranks() ? 1.0F : ratings_.surprise(part.items[i], part.labels[i]);
        const double late = std::pow(fades, static_cast<double>(n - 1 - i)) / std::sqrt(squares);
        to[i] = say / std::sqrt(static_cast<float>(n));
        to[items.size() + i] = say * static_cast<float>(late);
      }
      to += 2 * items.size() + n;
    }
    return out;
  }

  // The episodes of a batch with enough records, or all if none has: who has two records only is not like the users who
  // will come, and costs as much as they do.
  std::span<const thaw::Episode> long_enough(std::span<const thaw::Episode> batch) {
    const auto is_short = [&](const thaw::Episode& e) {
      return e.support.items.size() + e.query.items.size() < best_.fewest_records;
    };
    if (std::none_of(batch.begin(), batch.end(), is_short)) return batch;
    long_.clear();
    std::remove_copy_if(batch.begin(), batch.end(), std::back_inserter(long_), is_short);
    return long_.empty() ? batch : long_;
  }

  // All known items; of a large catalogue the batch's own and a sample, half of it by popularity^0.75.
  std::span<const std::int32_t> candidates(std::span<const thaw::Episode> batch) {
    if (static_cast<thaw::Index>(catalogue_.size()) <= best_.candidates) return catalogue_;
    drawn_.clear();
    const auto take = [&](std::int32_t item) {
      if (!exists(item) || !known_.known(item) || position_[static_cast<std::size_t>(item)] >= 0) return;
      position_[static_cast<std::size_t>(item)] = 0;
      drawn_.push_back(item);
    };
    for (const auto& episode : batch)
      for (const auto* part : {&episode.support, &episode.query})
        for (const std::int32_t item : part->items) take(item);
    thaw::Philox rng(thaw::Key{options_.seed}.fold(0x63616e64).fold(static_cast<std::uint64_t>(steps_)));
    for (thaw::Index i = 0; i < best_.candidates; ++i) {
      const double u = rng.uniform();
      const auto by_share = std::lower_bound(popularity_.begin(), popularity_.end(), u * popularity_.back());
      const auto uniform = static_cast<std::size_t>(u * static_cast<double>(catalogue_.size()));
      take(catalogue_[i % 2 == 0 ? static_cast<std::size_t>(by_share - popularity_.begin()) : uniform]);
    }
    for (const std::int32_t item : drawn_) position_[static_cast<std::size_t>(item)] = -1;
    return drawn_;
  }

  // Fills the members that meta_loss reads.
  void pack(std::span<const thaw::Episode> batch, std::span<const std::int32_t> among) {
    candidates_.assign(among.begin(), among.end());
    for (std::size_t c = 0; c < candidates_.size(); ++c)
      position_[static_cast<std::size_t>(candidates_[c])] = static_cast<std::int32_t>(c);
    const std::size_t users = batch.size(), count = candidates_.size(), all = everything_.size();
    const auto rows = static_cast<std::size_t>(cold_ ? cold_features() : features());
    const std::size_t first = static_cast<std::size_t>(features()) - rows;
    features_.assign(users * count * rows, 0);
    for (auto* cells : {&support_targets_, &support_labels_, &query_targets_, &query_labels_, &hidden_})
      cells->assign(users * count, 0);
    parts_.clear();
    std::size_t asked = 0;  // most records of a query: a user with fewer counts for less
    for (const auto& episode : batch) asked = (std::max)(asked, best_.even_users ? 0U : episode.query.items.size());
    std::vector<float> row(all * static_cast<std::size_t>(features()));
    for (std::size_t u = 0; u < users; ++u) {
      const auto& episode = batch[u];
      parts_.push_back(episode.support);
      fill_evidence(episode.user, episode.support, row);
      for (std::size_t f = 0; f < rows; ++f)
        for (std::size_t c = 0; c < count; ++c)
          features_[(u * rows + f) * count + c] = row[(first + f) * all + static_cast<std::size_t>(candidates_[c])];
      const auto of = [&](std::vector<float>& cells) { return std::span<float>(cells).subspan(u * count, count); };
      const auto place = [&](std::int32_t item) {
        const bool shown = exists(item) && (!evidence_ || evidence_->known_without(episode.user, item));
        return shown ? position_[static_cast<std::size_t>(item)] : -1;
      };
      share(episode.support, place, of(support_targets_), of(support_labels_));
      share(episode.query, place, of(query_targets_), of(query_labels_), asked);
      if (!ranks()) continue;
      // Neither the support nor what nobody else knows could be asked for.
      const auto hide = [&](std::int32_t item) {
        if (exists(item) && position_[static_cast<std::size_t>(item)] >= 0)
          of(hidden_)[static_cast<std::size_t>(position_[static_cast<std::size_t>(item)])] = kHidden;
      };
      for (const std::int32_t item : episode.support.items) hide(item);
      for (const std::int32_t item : evidence_->only(episode.user)) hide(item);
    }
    for (const std::int32_t item : candidates_) position_[static_cast<std::size_t>(item)] = -1;
  }
  // Equal shares of a part's items among the cells that place(item) names; nothing below 0. False when there is none.
  template <class Place>
  bool share(const thaw::Episode::Part& part, const Place& place, std::span<float> targets, std::span<float> labels,
             std::size_t fewest = 0) const {
    float count = 0;
    for (const std::int32_t item : part.items) count += place(item) >= 0 ? 1.0F : 0.0F;
    for (std::size_t i = 0; i < part.items.size(); ++i) {
      if (place(part.items[i]) < 0) continue;
      const auto at = static_cast<std::size_t>(place(part.items[i]));
      targets[at] += 1 / (std::max)(count, static_cast<float>(fewest));
      if (!ranks()) labels[at] = part.labels[i] - static_cast<float>(ratings_.mean());
    }
    return count > 0;
  }

  // The query loss of all packed users after the inner steps, summed.
  FloatVar meta_loss(const BlendNetwork<FloatVar>& net, thaw::Tape<float, Backend>& tape) {
    auto& context = tape.context();
    const auto users = static_cast<thaw::Index>(parts_.size()), count = static_cast<thaw::Index>(candidates_.size());
    const thaw::Shape cells{users, count};
    packed_support_ = read_support(parts_, tape.arena());
    ItemBags bags = known_.bags(candidates_, tape.arena());
    auto* ids = tape.arena().template take<std::int32_t>(count);
    thaw::Philox rng(thaw::Key{options_.seed}.fold(0x666f7267).fold(static_cast<std::uint64_t>(steps_++)));
    forget_records(packed_support_, rng);
    for (thaw::Index i = 0; i < count; ++i) ids[i] = cold_ || rng.uniform() < best_.forget_ids ? -1 : bags.id.ids[i];
    bags.id.ids = ids;
    if (cold_ && rng.uniform() < 0.75) forget(packed_support_.bags.id, tape.arena());
    const FloatVar items = net.written(bags);
    const auto features = view(context, features_, {users, cold_ ? cold_features() : this->features(), count});
    Blend<FloatVar> fast =
        net.generate(packed_support_.bags, view(context, packed_support_.shares, {2 * users, packed_support_.count}),
                     view(context, packed_support_.sizes, {users, 1}));
    fast.vector = thaw::dropout(fast.vector,
                                thaw::DropoutRule::make(best_.dropout, thaw::Key{options_.seed}.fold(rng.next64()), 0));
    const auto scores_of = [&](const Blend<FloatVar>& blend) {
      return blend_scores(cold_ ? blend.cold : blend.weights, blend.vector, features, items);
    };
    for (int step = 0; step < options_.inner_steps; ++step) {
      const FloatVar loss = blend_loss(objective_, scores_of(fast), view(context, support_targets_, cells),
                                       view(context, support_labels_, cells));
      if (options_.first_order)
        fast = step_from(fast, thaw::gradient(loss, moved(fast, cold_)), net.rates, cold_);
      else
        fast = step_from(fast, thaw::gradient(loss, moved(fast, cold_), thaw::differentiable), net.rates, cold_);
    }
    const FloatVar scores = thaw::add(scores_of(fast), view(context, hidden_, cells));
    if (ranks()) return reachable_loss(scores, context);
    return huber_loss(scores, context);
  }
  // A column is one record of one user.
  void forget_records(Support& support, thaw::Philox& rng) const {
    if (best_.forget_support <= 0) return;
    const auto count = static_cast<std::size_t>(support.count);
    for (std::size_t c = 0; c < count; ++c)
      if (rng.uniform() < best_.forget_support)
        for (std::size_t at = c; at < support.shares.size(); at += count) support.shares[at] = 0;
  }
  // The rows of a list of items without those of their own.
  static void forget(thaw::Bags& ids, thaw::Arena& arena) {
    auto* none = arena.take<std::int32_t>(ids.count);
    std::fill(none, none + ids.count, -1);
    ids.ids = none;
  }
  // Sum over users of the targets' Huber losses: what is asked for in the end is the absolute error. Its gradient is
  // that of halved squares with each target over what its error exceeds the square part by.
  FloatVar huber_loss(const FloatVar& scores, Backend::Context& context) {
    const auto bend = static_cast<float>(best_.square_until);
    double value = 0, surrogate = 0;
    for (std::size_t c = 0; c < query_targets_.size(); ++c) {
      float& target = query_targets_[c];
      if (target == 0) continue;
      const float error = std::fabs(scores.data[c] - query_labels_[c]);
      value += static_cast<double>(target * (error <= bend ? error * error / 2 : bend * (error - bend / 2)));
      target *= (error <= bend ? 1 : bend / error) / 2;
      surrogate += static_cast<double>(target * error * error);
    }
    return thaw::shift(blend_loss(objective_, scores, view(context, query_targets_, scores.shape),
                                  view(context, query_labels_, scores.shape)),
                       value - surrogate);
  }
  // Sum over users of the targets' -log(p + reach), p the softmax: what is out of reach of a short list pulls little.
  // Its gradient is that of the plain loss with each target times p / (p + reach).
  FloatVar reachable_loss(const FloatVar& scores, Backend::Context& context) {
    const auto users = static_cast<std::size_t>(scores.shape[0]), count = static_cast<std::size_t>(scores.shape[1]);
    const FloatVar total = thaw::log_sum_exp(scores);
    totals_.assign(users, 0);
    double value = 0, surrogate = 0;
    for (std::size_t u = 0; u < users; ++u)
      for (std::size_t c = 0; c < count; ++c) {
        float& target = query_targets_[u * count + c];
        if (target == 0) continue;
        const double log_p = static_cast<double>(scores.data[u * count + c]) - static_cast<double>(total.data[u]);
        const double p = std::exp(log_p);
        value -= static_cast<double>(target) * std::log(p + best_.reach);
        target *= static_cast<float>(p / (p + best_.reach));
        surrogate -= static_cast<double>(target) * log_p;
        totals_[u] += target;
      }
    const auto n = static_cast<thaw::Index>(users);
    const FloatVar loss = thaw::sub(thaw::sum(thaw::mul(thaw::reshape(total, {n}), view(context, totals_, {n}))),
                                    thaw::sum(thaw::mul(view(context, query_targets_, scores.shape), scores)));
    return thaw::shift(loss, value - surrogate);
  }

  // What scores is the running mean of the weights: single steps on few users are noisy.
  void average() {
    const double age = static_cast<double>(steps_);
    keep_average(1 - (std::min)(best_.memory, age / (age + 10)));
  }
  void keep_average(double share) {
    std::size_t at = 0;
    const auto by = static_cast<float>(share);
    thaw::for_each_unnamed(
        [&](const FloatArray& now) {
          const auto size = static_cast<std::size_t>(now.shape.size());
          if (average_.size() < at + size) average_.resize(at + size, 0.0F);
          for (std::size_t i = 0; i < size; ++i) average_[at + i] += by * (now.data[i] - average_[at + i]);
          at += size;
        },
        model_.parameters().values());
  }
  typename TrainedModel<BlendNetwork<thaw::Spec>>::Model averaged(Backend::Context& context) const {
    std::size_t at = 0;
    return thaw::map_unnamed<FloatArray>(model_.on(context), [&](const FloatArray& now) {
      const float* from = average_.data() + at;
      at += static_cast<std::size_t>(now.shape.size());
      return FloatArray::view(context, from, now.shape);
    });
  }

  // Keeps what scoring needs of the current weights.
  void refresh() {
    thaw::GrowingArena arena;
    Backend::Context context{&arena, options_.threads};
    const FloatArray rows = averaged(context).written(known_.bags(everything_, arena));
    written_.assign(rows.begin(), rows.end());
    unknown_.assign(everything_.size(), 0.0F);
    hidden_known_ = unknown_;
    for (const std::int32_t i : everything_)
      if (ranks()) (known_.known(i) ? hidden_known_ : unknown_)[static_cast<std::size_t>(i)] = kHidden;
  }

  // Fits the combinations of evidence that the heads start from, on training users' own records.
  void start(const World& world) {
    const auto& heads = model_.parameters().values().heads.heads;
    FloatArray warm = heads[0].bias[0], cold = heads[2].bias[0];
    if (!ranks()) {
      warm[0] = warm[1] = 1;
      return;
    }
    start_items();
    StartFit fits[2] = {{0, {warm.data, static_cast<std::size_t>(features())}},
                        {features() - cold_features(), {cold.data, static_cast<std::size_t>(cold_features())}}};
    fit_start(world, {fits, learns_cold() ? 2U : 1U});
    const auto& rates = model_.parameters().values().rates;
    set_rates(fits[0], rates.weights);
    if (learns_cold()) set_rates(fits[1], rates.cold);
  }
  // Own rows of items start as factors of the interactions, at the size of the random ones that they replace.
  void start_items() {
    if (!best_.factors || evidence_->known().empty()) return;
    const auto& net = model_.parameters().values();
    const auto fill = [&](FloatArray table, double size) {
      const ItemFactors factors(evidence_->interactions(), {static_cast<int>(table.shape[1]), 8, options_.seed});
      for (std::int32_t i = 0; i < items_; ++i)
        for (std::size_t k = 0; k < factors.width(); ++k)
          table.data[static_cast<std::size_t>(i) * factors.width() + k] = static_cast<float>(size) * factors.row(i)[k];
    };
    fill(net.read.id.table, 0.3 / std::sqrt(3.0));
    fill(net.written.id.table, 0.1 / std::sqrt(3.0));
  }
  // Weights of the evidence's rows from `first_row` on, while they are fitted.
  struct StartFit {
    thaw::Index first_row;
    std::span<float> weights;
    std::vector<float> gradient, first, second;  // of this step; Adam's
    std::vector<float> curvature;                // of the loss, a weight, over all steps

    StartFit(thaw::Index row, std::span<float> of)
        : first_row(row), weights(of), gradient(of.size(), 0), first(gradient), second(gradient), curvature(gradient) {}
  };
  // A weight whose evidence varies much among likely items may move little.
  void set_rates(const StartFit& fit, FloatArray rates) const {
    for (std::size_t f = 0; f < fit.weights.size(); ++f)
      rates.data[f] = static_cast<float>(best_.inner_rate) / (fit.curvature[f] + 0.1F);
  }
  void fit_start(const World& world, std::span<StartFit> fits) const;
  void add_start_gradient(std::int32_t user, std::span<const std::int32_t> items, std::size_t shown,
                          std::span<const float> evidence, StartFit& fit) const;

  LearnerOptions options_;
  BestOptions best_;
  Objective objective_;
  KnownItems known_;
  std::unique_ptr<Evidence> evidence_;  // of rankings
  RatingStart ratings_;
  TrainedModel<BlendNetwork<thaw::Spec>> model_;
  std::vector<float> average_;  // of the weights, tensor by tensor
  std::int32_t items_;
  float lowest_, highest_;  // of ratings
  std::vector<std::int32_t> catalogue_, everything_;
  std::vector<double> popularity_;  // running sums of popularity^0.75 over the catalogue
  std::int64_t steps_ = 0;
  std::vector<float> written_;                 // (items, width)
  std::vector<float> unknown_, hidden_known_;  // (items)

  // The packed meta-batch.
  bool cold_ = false;          // taken as if no item had records
  std::vector<float> totals_;  // (users)
  std::vector<std::int32_t> candidates_, position_, drawn_;
  std::vector<thaw::Episode> long_;
  std::vector<thaw::Episode::Part> parts_;
  Support packed_support_;
  std::vector<float> features_;  // (users, kCount, candidates)
  std::vector<float> support_targets_, support_labels_, query_targets_, query_labels_, hidden_;  // (users, candidates)
};

// Adam on the loss of training, 32 users a step: of each user's records some are shown, the others asked.
inline void BlendLearner::fit_start(const World& world, std::span<StartFit> fits) const {
  constexpr int kSteps = 60, kUsers = 32;
  std::vector<std::int32_t> users;
  for (const std::size_t fewest : {8U, 4U, 2U})
    for (std::int32_t u = 0; u < world.train.user_count() && (fewest == 8U || users.size() < 64U); ++u)
      if (world.train.by_user.row(u).size() >= fewest) users.push_back(u);
  for (StartFit& fit : fits) std::fill(fit.weights.begin(), fit.weights.end(), 0.3F);
  if (users.empty()) return;
  thaw::Philox rng(thaw::Key{options_.seed}.fold(0x7374617274));
  std::vector<float> evidence(everything_.size() * static_cast<std::size_t>(features()));
  for (int step = 1; step <= kSteps; ++step) {
    for (int k = 0; k < kUsers; ++k) {
      const std::int32_t user = users[rng.below(static_cast<std::uint32_t>(users.size()))];
      std::vector<std::int32_t> items;
      for (const auto& edge : world.train.by_user.row(user)) items.push_back(edge.column);
      rng.shuffle(items);
      const auto shown = (std::min)(static_cast<std::size_t>(5 + 5 * rng.below(3)), items.size() / 2);
      if (items.size() > shown + 10) items.resize(shown + 10);
      evidence_->fill(user, {items.data(), shown}, evidence);
      for (StartFit& fit : fits) add_start_gradient(user, items, shown, evidence, fit);
    }
    for (StartFit& fit : fits) {
      for (float& g : fit.gradient) g /= kUsers;
      Backend::Context context{};
      const auto rate = thaw::AdamStep::at(step, 0.15 * (1 - step / (kSteps + 1.0)));
      thaw::Cpu::adam(context, static_cast<thaw::Index>(fit.weights.size()), rate, fit.gradient.data(),
                      fit.first.data(), fit.second.data(), fit.weights.data());
      std::fill(fit.gradient.begin(), fit.gradient.end(), 0.0F);
    }
  }
  for (StartFit& fit : fits)
    for (float& c : fit.curvature) c /= kSteps * kUsers;
}

// The gradient of the mean of -log(p + reach) over items[shown...], and the variances under p.
inline void BlendLearner::add_start_gradient(std::int32_t user, std::span<const std::int32_t> items, std::size_t shown,
                                             std::span<const float> evidence, StartFit& fit) const {
  const std::size_t n = everything_.size();
  const auto row = [&](std::size_t f) {
    return evidence.subspan((static_cast<std::size_t>(fit.first_row) + f) * n, n);
  };
  std::vector<float> sums(n, 0.0F), p(n, 0.0F);
  for (std::size_t f = 0; f < fit.weights.size(); ++f)
    for (std::size_t i = 0; i < n; ++i) sums[i] += fit.weights[f] * row(f)[i];
  for (std::size_t i = 0; i < shown; ++i) sums[static_cast<std::size_t>(items[i])] = kHidden;
  for (const std::int32_t i : evidence_->only(user)) sums[static_cast<std::size_t>(i)] = kHidden;
  float highest = kHidden, total = 0;
  for (const std::int32_t i : catalogue_) highest = (std::max)(highest, sums[static_cast<std::size_t>(i)]);
  for (const std::int32_t i : catalogue_)
    total += p[static_cast<std::size_t>(i)] = std::exp(sums[static_cast<std::size_t>(i)] - highest);
  for (float& v : p) v /= total;
  std::vector<float> share(items.size(), 0);
  float shares = 0;
  for (std::size_t i = shown; i < items.size(); ++i) {
    if (!evidence_->known_without(user, items[i])) continue;
    const float own = p[static_cast<std::size_t>(items[i])];
    share[i] = own / (own + static_cast<float>(best_.reach)) / static_cast<float>(items.size() - shown);
    shares += share[i];
  }
  for (std::size_t f = 0; f < fit.weights.size(); ++f) {
    const auto values = row(f);
    float expected = 0, squares = 0, seen = 0;
    for (std::size_t i = 0; i < n; ++i) expected += p[i] * values[i], squares += p[i] * values[i] * values[i];
    for (std::size_t i = shown; i < items.size(); ++i) seen += share[i] * values[static_cast<std::size_t>(items[i])];
    fit.gradient[f] += shares * expected - seen;
    fit.curvature[f] += squares - expected * expected;
  }
}

}  // namespace hyperrs
