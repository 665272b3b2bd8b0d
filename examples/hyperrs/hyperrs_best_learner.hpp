// BlendLearner: training and adapting the network of hyperrs_best.hpp.
//
//   hyperrs::BlendLearner learner(world, options);
//   learner.train(episodes);
//   auto adapted = learner.adapt(user, support, /*steps*/ 1);
//
// One step takes all users of a meta-batch as one matrix. A support without usable items (empty, or items that do not
// exist) gives the code zero: what popularity and the heads' biases say. Under the rating objective the evidence is
// the item's mean and the user's bias (rating_start.hpp).
#pragma once

#include <numeric>

#include "hyperrs/hyperrs_best.hpp"
#include "hyperrs/rating_start.hpp"

namespace hyperrs {

class BlendLearner : public Learner {
 public:
  BlendLearner(const World& world, const LearnerOptions& options, const BestOptions& best = {})
      : options_(options),
        best_(best),
        objective_(world.objective),
        known_(world),
        evidence_(ranks() ? std::make_unique<Evidence>(world, best.evidence) : nullptr),
        ratings_(world),
        model_(blend_plan(known_, best), options.seed, options.threads),
        items_(world.train.item_count()) {
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
    refresh();
  }

  std::int64_t parameter_count() const override { return model_.parameter_count(); }
  void attributes_changed() override { refresh(); }

  double train(std::span<const thaw::Episode> batch) override {
    if (batch.empty() || items_ == 0) return 0;
    pack(batch, candidates(batch));
    const double users = static_cast<double>(batch.size());
    const double loss = model_.step(
        best_.rate, [&](const auto& net, auto& tape) { return thaw::scale(meta_loss(net, tape), 1 / users); });
    refresh();
    return loss;
  }

  std::unique_ptr<Adapted> adapt(std::int32_t, const thaw::Episode::Part& support, int steps) const override {
    thaw::GrowingArena arena;
    Backend::Context context{&arena, 1};
    const auto net = model_.on(context);
    const Support read = read_support({&support, 1}, arena);
    Blend<FloatArray> blend = net.generate(read.bags, view(context, read.average, {1, read.count}));
    std::vector<float> evidence(everything_.size() * Evidence::kCount);
    fill_evidence(-1, support, evidence);
    const auto features = view(context, evidence, {1, Evidence::kCount, items_});
    const auto written = view(context, written_, {items_, best_.width});
    std::vector<float> targets(everything_.size()), labels(everything_.size());
    const auto place = [&](std::int32_t item) { return exists(item) && known_.known(item) ? item : -1; };
    const bool learns = share(support, place, targets, labels);
    for (int step = 0; learns && step < steps; ++step) {
      thaw::Tape<float, Backend> tape(context);
      const Blend<FloatVar> now = thaw::map_unnamed<FloatVar>(blend, [&](const FloatArray& a) { return tape.leaf(a); });
      const auto hidden = view(context, unknown_, {1, items_});
      const FloatVar scores = thaw::add(blend_scores(now, features, written), hidden);
      const auto g = thaw::gradient(
          blend_loss(objective_, scores, view(context, targets, {1, items_}), view(context, labels, {1, items_})), now);
      blend.weights = thaw::sub(blend.weights, thaw::mul(g.weights, net.rates.weights));
      blend.vector = thaw::sub(blend.vector, thaw::mul(g.vector, net.rates.vector));
    }
    const FloatArray scores = blend_scores(blend, features, written);
    const auto base = static_cast<float>(ranks() ? 0 : ratings_.mean());
    std::vector<float> out(scores.begin(), scores.end());
    for (float& s : out) s += base;
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

  // The support items of some users one after another, and each user's shares of them, (users, count).
  struct Support {
    ItemBags bags;
    std::vector<float> average;
    thaw::Index count = 0;
  };

  static constexpr float kHidden = -1e4F;  // for what may not be recommended: no records, or in the support

  bool ranks() const { return objective_ == Objective::ranking; }
  bool exists(std::int32_t item) const { return item >= 0 && item < items_; }
  static FloatArray view(Backend::Context& context, const std::vector<float>& v, const thaw::Shape& shape) {
    return FloatArray::view(context, v.data(), shape);
  }
  void fill_evidence(std::int32_t training_user, const thaw::Episode::Part& part, std::span<float> out) const {
    if (evidence_)
      evidence_->fill(training_user < 0 ? Evidence::kEveryone : evidence_->fold_of(training_user), part.items, out);
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
    out.average.assign(parts.size() * items.size(), 0.0F);
    std::size_t at = 0;
    for (std::size_t u = 0; u < parts.size(); ++u) {
      const auto& part = parts[u];
      for (std::size_t i = 0; i < part.items.size(); ++i, ++at) {
        const float say = ranks() ? 1.0F : ratings_.surprise(part.items[i], part.labels[i]);
        out.average[u * items.size() + at] = say / std::sqrt(static_cast<float>(part.items.size()));
      }
    }
    return out;
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
    const std::size_t users = batch.size(), count = candidates_.size();
    features_.assign(users * count * Evidence::kCount, 0);
    for (auto* cells : {&support_targets_, &support_labels_, &query_targets_, &query_labels_, &hidden_})
      cells->assign(users * count, 0);
    parts_.clear();
    std::vector<float> row(everything_.size() * Evidence::kCount);
    for (std::size_t u = 0; u < users; ++u) {
      const auto& episode = batch[u];
      parts_.push_back(episode.support);
      fill_evidence(episode.user, episode.support, row);
      for (std::size_t f = 0; f < Evidence::kCount; ++f)
        for (std::size_t c = 0; c < count; ++c)
          features_[(u * Evidence::kCount + f) * count + c] =
              row[f * everything_.size() + static_cast<std::size_t>(candidates_[c])];
      const auto of = [&](std::vector<float>& cells) { return std::span<float>(cells).subspan(u * count, count); };
      const auto place = [&](std::int32_t item) {
        return exists(item) ? position_[static_cast<std::size_t>(item)] : -1;
      };
      share(episode.support, place, of(support_targets_), of(support_labels_));
      share(episode.query, place, of(query_targets_), of(query_labels_));
      for (const std::int32_t item : episode.support.items)
        if (ranks() && exists(item) && position_[static_cast<std::size_t>(item)] >= 0)
          of(hidden_)[static_cast<std::size_t>(position_[static_cast<std::size_t>(item)])] = kHidden;
    }
    for (const std::int32_t item : candidates_) position_[static_cast<std::size_t>(item)] = -1;
  }
  // Equal shares of a part's items among the cells that place(item) names; nothing below 0. False when there is none.
  template <class Place>
  bool share(const thaw::Episode::Part& part, const Place& place, std::span<float> targets,
             std::span<float> labels) const {
    float count = 0;
    for (const std::int32_t item : part.items) count += place(item) >= 0 ? 1.0F : 0.0F;
    for (std::size_t i = 0; i < part.items.size(); ++i) {
      if (place(part.items[i]) < 0) continue;
      const auto at = static_cast<std::size_t>(place(part.items[i]));
      targets[at] += 1 / count;
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
    for (float& share : packed_support_.average)
      if (share != 0 && rng.uniform() < best_.forget_support) share = 0;
    for (thaw::Index i = 0; i < count; ++i) ids[i] = rng.uniform() < best_.forget_ids ? -1 : bags.id.ids[i];
    bags.id.ids = ids;
    const FloatVar items = net.written(bags);
    const auto features = view(context, features_, {users, Evidence::kCount, count});
    Blend<FloatVar> fast =
        net.generate(packed_support_.bags, view(context, packed_support_.average, {users, packed_support_.count}));
    fast.vector = thaw::dropout(fast.vector,
                                thaw::DropoutRule::make(best_.dropout, thaw::Key{options_.seed}.fold(rng.next64()), 0));
    for (int step = 0; step < options_.inner_steps; ++step) {
      const FloatVar loss = blend_loss(objective_, blend_scores(fast, features, items),
                                       view(context, support_targets_, cells), view(context, support_labels_, cells));
      const auto move = [&](const auto& g) {
        fast.weights = thaw::sub(fast.weights, thaw::mul(g.weights, net.rates.weights));
        fast.vector = thaw::sub(fast.vector, thaw::mul(g.vector, net.rates.vector));
      };
      if (options_.first_order)
        move(thaw::gradient(loss, fast));
      else
        move(thaw::gradient(loss, fast, thaw::differentiable));
    }
    const FloatVar scores = thaw::add(blend_scores(fast, features, items), view(context, hidden_, cells));
    return blend_loss(objective_, scores, view(context, query_targets_, cells), view(context, query_labels_, cells));
  }

  // Keeps what scoring needs of the current weights.
  void refresh() {
    thaw::GrowingArena arena;
    Backend::Context context{&arena, options_.threads};
    const FloatArray rows = model_.on(context).written(known_.bags(everything_, arena));
    written_.assign(rows.begin(), rows.end());
    unknown_.assign(everything_.size(), 0.0F);
    for (const std::int32_t i : everything_)
      if (ranks() && !known_.known(i)) unknown_[static_cast<std::size_t>(i)] = kHidden;
  }

  // Fits the combination of evidence that the heads start from, by the softmax loss of training users' own records.
  void start(const World& world) {
    FloatArray bias = model_.parameters().values().heads.heads[0].bias[0];
    if (!ranks()) {
      bias[0] = bias[1] = 1;
      return;
    }
    fit_start(world, {bias.data, static_cast<std::size_t>(Evidence::kCount)});
  }
  void fit_start(const World& world, std::span<float> weights);

  LearnerOptions options_;
  BestOptions best_;
  Objective objective_;
  KnownItems known_;
  std::unique_ptr<Evidence> evidence_;  // of rankings
  RatingStart ratings_;
  TrainedModel<BlendNetwork<thaw::Spec>> model_;
  std::int32_t items_;
  std::vector<std::int32_t> catalogue_, everything_;
  std::vector<double> popularity_;  // running sums of popularity^0.75 over the catalogue
  std::int64_t steps_ = 0;
  std::vector<float> written_, unknown_;  // (items, width); (items)

  // The packed meta-batch.
  std::vector<std::int32_t> candidates_, position_, drawn_;
  std::vector<thaw::Episode::Part> parts_;
  Support packed_support_;
  std::vector<float> features_;  // (users, kCount, candidates)
  std::vector<float> support_targets_, support_labels_, query_targets_, query_labels_, hidden_;  // (users, candidates)
};

// Adam on the mean softmax loss of 64 users a step: of each user's records a random ten are shown, the others asked.
inline void BlendLearner::fit_start(const World& world, std::span<float> weights) {
  constexpr int kSteps = 60, kUsers = 64, kShown = 10, kFeatures = Evidence::kCount;
  std::vector<std::int32_t> users;
  for (std::int32_t u = 0; u < world.train.user_count(); ++u)
    if (world.train.by_user.row(u).size() >= 4) users.push_back(u);
  weights[0] = 1;
  if (users.empty()) return;
  thaw::Philox rng(thaw::Key{options_.seed}.fold(0x7374617274));
  std::vector<float> features(everything_.size() * kFeatures), scores(catalogue_.size());
  float first[kFeatures] = {}, second[kFeatures] = {};
  for (int step = 1; step <= kSteps; ++step) {
    float gradient[kFeatures] = {};
    for (int k = 0; k < kUsers; ++k) {
      const std::int32_t user = users[rng.below(static_cast<std::uint32_t>(users.size()))];
      std::vector<std::int32_t> items;
      for (const auto& edge : world.train.by_user.row(user)) items.push_back(edge.column);
      rng.shuffle(items);
      const auto shown = (std::min)(static_cast<std::size_t>(kShown), items.size() / 2);
      evidence_->fill(evidence_->fold_of(user), {items.data(), shown}, features);
      const std::size_t n = everything_.size();
      std::vector<std::uint8_t> is_shown(n, 0);
      for (std::size_t i = 0; i < shown; ++i) is_shown[static_cast<std::size_t>(items[i])] = 1;
      double total = 0;
      for (std::size_t c = 0; c < catalogue_.size(); ++c) {
        const auto item = static_cast<std::size_t>(catalogue_[c]);
        float s = 0;
        for (std::size_t f = 0; f < kFeatures; ++f) s += weights[f] * features[f * n + item];
        scores[c] = is_shown[item] != 0 ? 0.0F : std::exp((std::min)(s, 60.0F));
        total += static_cast<double>(scores[c]);
      }
      for (std::size_t f = 0; f < kFeatures; ++f) {
        double expected = 0, seen = 0;
        for (std::size_t c = 0; c < catalogue_.size(); ++c)
          expected += static_cast<double>(scores[c] * features[f * n + static_cast<std::size_t>(catalogue_[c])]);
        for (std::size_t i = shown; i < items.size(); ++i)
          seen += static_cast<double>(features[f * n + static_cast<std::size_t>(items[i])]);
        gradient[f] +=
            static_cast<float>((expected / total - seen / static_cast<double>(items.size() - shown)) / kUsers);
      }
    }
    Backend::Context context{};
    thaw::Cpu::adam(context, kFeatures, thaw::AdamStep::at(step, 0.1 * (1 - step / (kSteps + 1.0))), gradient, first,
                    second, weights.data());
  }
}

}  // namespace hyperrs
