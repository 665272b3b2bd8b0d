// TasteBase: the base of `best`, a factorisation machine between what is known of a user and what is known of an item,
//
//   logit = mean + biases of all values + <sum of the user's vectors, sum of the item's vectors + the item's own>
//
//   auto base = mwuf::make_taste_base(world, {});          // made and trained: under a second for a million
//   impressions mwuf::CountAware method(*base, world, {});
//
// An item's own row (vector, then bias) is the only thing that must be learnt for a new item, and the logit is linear
// in it. Three things make it strong where items are new: items' rows are left out of a third of the impressions, so
// that features carry what they can; rows are shrunk; and an item's popularity among the old ones is a feature, of
// which a new item has the lowest value, so that each user's liking for what few people know is learnt. Popularity is
// counted on impressions of old items only. Values that few old items show (words of titles) are not used unless that
// is asked for. Where users have few impressions, a user's bias starts from counted likes, or all biases are fitted at
// once beforehand, a user's liking for an author among them, and there are no vectors (taste_choice).
//
// Trained sample by sample by gradient descent, loops by hand. Not a network: see models.hpp for those.
#pragma once

#include <cmath>
#include <optional>

#include "mwuf/click_base.hpp"
#include "mwuf/fitted_biases.hpp"
#include "mwuf/method.hpp"
#include "thaw/baselines/click_counts.hpp"

namespace mwuf {

struct TasteOptions {
  Index width = 16;
  double deviation = 0.05;
  int epochs = 4;
  double rate = 0.06;         // of gradient descent, falling to a tenth over the epochs
  double feature_rate = 0.3;  // share of the rate for rows that many samples touch
  double item_dropout = 0.3;
  double shrink_vectors = 0.02, shrink_user_bias = 0.01, shrink_item_bias = 0.05, shrink_features = 0.002;
  int popularity_levels = 20;
  // Above 0: a user's bias starts at, and is shrunk to, the log-odds of the user's own likes, in which what everybody
  // likes counts as this many impressions. 0: both are zero.
  double user_pseudo = 0;
  // Biases that are fitted before anything is learnt step by step, and then stand.
  std::optional<BiasPriors> fitted = {};
  double most_values = 0.5;  // an item field with more values than this share of the old items is not used
};

// What `best` chooses from, by what each gives on pseudo-new items.
inline TasteOptions taste_choice(int which) {
  TasteOptions options;
  // Users with a hundred impressions each, and features of items that say little by themselves: the options as they
  // are. Fewer impressions, and features that say much (authors): they all count, and users start from their counts.
  if (which == 1) {
    options.user_pseudo = 10;
    options.most_values = 100;
    options.epochs = 15;
    options.shrink_vectors = 0.05, options.shrink_user_bias = 0.3, options.shrink_features = 0.02;
  }
  // A handful of impressions a user, or authors whom users come back to: fitted biases and no vectors, nothing to learn
  // step by step.
  if (which == 2) {
    options.fitted = BiasPriors();
    options.width = 1;
    options.deviation = 0;
    options.epochs = 0;
    options.popularity_levels = 0;
    options.most_values = 0;
  }
  return options;
}
inline constexpr int kTasteChoices = 3;

class TasteBase final : public ClickBase {
 public:
  TasteBase(const Task& task, const TasteOptions& options, std::uint64_t seed)
      : plan_(task.plan), options_(options), k_(options.width), mean_(0) {
    Index rows = 0;
    for (int f = 0; f < plan_.count; ++f) {
      first_[f] = rows;
      rows += plan_.fields[f].kind == FieldKind::continuous ? 1 : plan_.fields[f].values;
      used_[f] = plan_.fields[f].side != Side::item ||
                 static_cast<double>(plan_.fields[f].values) <=
                     options.most_values * static_cast<double>(task.split.old_items.size());
    }
    first_level_ = rows;
    rows += options.popularity_levels;
    level_ = levels_of(task, task.clicks().items, plan_.items, options.popularity_levels);
    thaw::Philox rng(seed, 71);
    vectors_.resize(static_cast<std::size_t>(rows * k_));
    items_.resize(static_cast<std::size_t>(plan_.items * (k_ + 1)));
    for (float& x : vectors_) x = static_cast<float>(options.deviation * rng.normal());
    for (float& x : items_) x = static_cast<float>(options.deviation * rng.normal());
    biases_.assign(static_cast<std::size_t>(rows), 0.0f);
    for (Index i = 0; i < plan_.items; ++i) items_[static_cast<std::size_t>(i * (k_ + 1) + k_)] = 0;
    if (options.user_pseudo > 0 && plan_.user_id >= 0) count_users(task);
    start_biases_ = biases_;
    if (options.fitted) fitted_.emplace(task, *options.fitted);
    for (std::vector<float>* v : {&user_, &item_}) v->resize(static_cast<std::size_t>(k_));
  }

  // The first part of training, where there are fitted biases.
  void fit_biases(const Task& task) {
    if (!fitted_) return;
    mean_ = static_cast<float>(fitted_->fit(task));
    for (Index i = 0; i < plan_.items; ++i) items_[static_cast<std::size_t>(i * (k_ + 1) + k_)] = fitted_->item(i);
  }

  Index width() const override { return k_ + 1; }
  Index items() const override { return plan_.items; }
  Index user_width() const override { return plan_.user_id < 0 ? 0 : k_; }
  Index item_feature_width() const override { return k_; }
  std::span<float> item_table() override { return items_; }
  std::span<const float> user_table() override {
    if (plan_.user_id < 0) return {};
    return std::span<const float>(vectors_).subspan(static_cast<std::size_t>(first_[plan_.user_id] * k_),
                                                    static_cast<std::size_t>(plan_.fields[plan_.user_id].values * k_));
  }

  double train(const ClickBatch<>& batch, double rate, const ItemDropout& dropout) override {
    double loss = 0;
    for (Index i = 0; i < batch.rows; ++i) {
      const bool own = batch.item[i] >= 0 && (dropout.keep == nullptr || dropout.keep[i] != 0);
      loss += learn(batch, i, rate, own);
    }
    return batch.rows == 0 ? 0 : loss / static_cast<double>(batch.rows);
  }
  void score(const ClickBatch<>& batch, const float* vectors, float* logits) override {
    for (Index i = 0; i < batch.rows; ++i) logits[i] = logit(batch, i, vectors + i * (k_ + 1));
  }
  double item_gradient(const ClickBatch<>& batch, const float* vectors, float* gradient) override {
    double loss = 0;
    for (Index i = 0; i < batch.rows; ++i) {
      const float z = logit(batch, i, vectors + i * (k_ + 1));
      loss += loss_of(z, batch.labels[i]);
      slope(gradient + i * (k_ + 1), (probability(z) - batch.labels[i]) / static_cast<float>(batch.rows));
    }
    return loss / static_cast<double>(batch.rows);
  }
  void item_curvature(const ClickBatch<>& batch, const float* vectors, const float* direction,
                      float* product) override {
    for (Index i = 0; i < batch.rows; ++i) {
      const float p = probability(logit(batch, i, vectors + i * (k_ + 1)));
      const float* u = direction + i * (k_ + 1);
      float along = u[k_];
      for (Index d = 0; d < k_; ++d) along += u[d] * user_[static_cast<std::size_t>(d)];
      slope(product + i * (k_ + 1), p * (1 - p) * along / static_cast<float>(batch.rows));
    }
  }
  void item_slope(const ClickBatch<>& batch, const float*, float* out) override {
    for (Index i = 0; i < batch.rows; ++i) {
      read(batch, i);
      slope(out + i * (k_ + 1), 1);
    }
  }
  void item_features(const ClickBatch<>& batch, float* features) override {
    for (Index i = 0; i < batch.rows; ++i) {
      read(batch, i);
      std::copy(item_.begin(), item_.end(), features + i * k_);
    }
  }
  std::uint64_t fingerprint() const override {
    std::uint64_t hash = 14695981039346656037ull;
    const auto add = [&](float x) { hash = (hash ^ __builtin_bit_cast(std::uint32_t, x)) * 1099511628211ull; };
    for (const std::vector<float>* v : {&vectors_, &biases_, &items_})
      for (const float x : *v) add(x);
    add(mean_);
    if (fitted_)
      for (const float x : fitted_->values()) add(x);
    return hash;
  }
  std::int64_t parameter_count() const override {
    const std::size_t fitted = fitted_ ? fitted_->values().size() : 0;
    return static_cast<std::int64_t>(vectors_.size() + biases_.size() + items_.size() + fitted) + 1;
  }

  const TasteOptions& options() const { return options_; }
  // fn(name, vector of numbers) for all that training changes, for files.
  template <class Fn>
  void each_block(const Fn& fn) {
    fn("vectors", vectors_), fn("biases", biases_), fn("items", items_);
    if (fitted_) fn("fitted", fitted_->values());
  }
  float& mean() { return mean_; }

 private:
  struct Entry {
    Index row;
    float weight;
    bool is_user_id;
  };

  // Levels of how often the base shows something: equal shares of what it shows; 0 for what it does not.
  std::vector<std::int32_t> levels_of(const Task& task, const std::vector<std::int32_t>& ids, Index size, int levels) {
    std::vector<std::int32_t> counts(static_cast<std::size_t>(size), 0), sorted, out(counts.size(), 0);
    for (const std::int32_t r : task.split.base) ++counts[static_cast<std::size_t>(ids[static_cast<std::size_t>(r)])];
    for (const std::int32_t c : counts)
      if (c > 0) sorted.push_back(c);
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      const auto below = std::lower_bound(sorted.begin(), sorted.end(), counts[i]) - sorted.begin();
      out[i] = static_cast<std::int32_t>(below * levels / static_cast<std::ptrdiff_t>(sorted.size()));
    }
    return out;
  }

  // Starts the users' biases and the mean from how often users like.
  void count_users(const Task& task) {
    thaw::ClickCounts counts(static_cast<std::int32_t>(plan_.fields[plan_.user_id].values), 1,
                             {.user_pseudo = options_.user_pseudo, .item_pseudo = 1});
    for (const std::int32_t r : task.split.base) {
      const auto row = static_cast<std::size_t>(r);
      counts.learn_users({&task.clicks().users[row], 1}, {&task.clicks().labels[row], 1});
    }
    const double all = counts.user_logit(-1);
    mean_ = static_cast<float>(all);
    for (std::int32_t u = 0; u < plan_.fields[plan_.user_id].values; ++u)
      biases_[static_cast<std::size_t>(first_[plan_.user_id] + u)] = static_cast<float>(counts.user_logit(u) - all);
  }

  // Gathers the entries of a sample, the sums of their vectors on either side, and returns the sum of their biases.
  float read(const ClickBatch<>& batch, Index i) {
    user_entries_.clear(), item_entries_.clear();
    for (int f = 0; f < plan_.count; ++f) {
      if (!used_[f]) continue;
      auto& entries = plan_.fields[f].side == Side::item ? item_entries_ : user_entries_;
      add_entries(batch.field[f], f, i, entries);
    }
    const std::int32_t item = batch.item[i];
    const Index level = first_level_ + (item < 0 ? 0 : level_[static_cast<std::size_t>(item)]);
    if (options_.popularity_levels > 0) item_entries_.push_back({level, 1, false});
    const float fitted = fitted_ ? fitted_->of(batch, i) : 0.0f;
    return mean_ + fitted + pool(user_entries_, user_) + pool(item_entries_, item_);
  }
  void add_entries(const FieldColumn<>& column, int f, Index i, std::vector<Entry>& entries) const {
    const Field& field = plan_.fields[f];
    if (field.kind == FieldKind::continuous) return entries.push_back({first_[f], column.values[i], false});
    const Index begin = column.bags.begin(i), end = column.bags.end(i);
    const float weight = 1 / std::sqrt(static_cast<float>((std::max)(end - begin, Index(1))));
    for (Index e = begin; e < end; ++e)
      if (column.bags.ids[e] >= 0) entries.push_back({first_[f] + column.bags.ids[e], weight, f == plan_.user_id});
  }
  float pool(const std::vector<Entry>& entries, std::vector<float>& sum) const {
    float bias = 0;
    std::fill(sum.begin(), sum.end(), 0.0f);
    for (const Entry& entry : entries) {
      const float* row = vectors_.data() + entry.row * k_;
      for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += entry.weight * row[d];
      bias += entry.weight * biases_[static_cast<std::size_t>(entry.row)];
    }
    return bias;
  }
  // With the item's own row from outside.
  float logit(const ClickBatch<>& batch, Index i, const float* own) {
    float z = read(batch, i) + own[k_];
    for (Index d = 0; d < k_; ++d)
      z += user_[static_cast<std::size_t>(d)] * (item_[static_cast<std::size_t>(d)] + own[d]);
    return z;
  }
  // factor * [user's sum, 1]: the slope of the logit in the item's own row.
  void slope(float* out, float factor) const {
    for (std::size_t d = 0; d < user_.size(); ++d) out[d] = factor * user_[d];
    out[k_] = factor;
  }
  static float probability(float z) { return 1 / (1 + std::exp(-z)); }
  static double loss_of(float z, float label) {
    return std::log1p(std::exp(-std::fabs(static_cast<double>(z)))) + (std::max)(static_cast<double>(z), 0.0) -
           static_cast<double>(z * label);
  }

  double learn(const ClickBatch<>& batch, Index i, double rate, bool own) {
    static constexpr float kNone = 0;
    float* row = own ? items_.data() + batch.item[i] * (k_ + 1) : nullptr;
    float z = read(batch, i) + (own ? row[k_] : kNone);
    if (own)
      for (Index d = 0; d < k_; ++d) item_[static_cast<std::size_t>(d)] += row[d];
    for (std::size_t d = 0; d < user_.size(); ++d) z += user_[d] * item_[d];
    const float error = probability(z) - batch.labels[i], step = static_cast<float>(rate);
    mean_ -= 0.1f * step * error;
    move(user_entries_, item_, error, step);
    move(item_entries_, user_, error, step);
    if (own) {
      const auto shrink = static_cast<float>(options_.shrink_vectors);
      for (Index d = 0; d < k_; ++d) row[d] -= step * (error * user_[static_cast<std::size_t>(d)] + shrink * row[d]);
      row[k_] -= step * (error + static_cast<float>(options_.shrink_item_bias) * row[k_]);
    }
    return loss_of(z, batch.labels[i]);
  }
  void move(const std::vector<Entry>& entries, const std::vector<float>& other, float error, float step) {
    for (const Entry& entry : entries) {
      const float rate = entry.is_user_id ? step : step * static_cast<float>(options_.feature_rate);
      const auto shrink = static_cast<float>(entry.is_user_id ? options_.shrink_vectors : options_.shrink_features);
      const auto bias_shrink =
          static_cast<float>(entry.is_user_id ? options_.shrink_user_bias : options_.shrink_features);
      float* row = vectors_.data() + entry.row * k_;
      for (std::size_t d = 0; d < other.size(); ++d)
        row[d] -= rate * (error * entry.weight * other[d] + shrink * row[d]);
      float& bias = biases_[static_cast<std::size_t>(entry.row)];
      bias -= rate * (error * entry.weight + bias_shrink * (bias - start_biases_[static_cast<std::size_t>(entry.row)]));
    }
  }

  FieldPlan plan_;
  TasteOptions options_;
  Index k_;
  float mean_;
  Index first_[kMaxFields] = {};
  bool used_[kMaxFields] = {};
  Index first_level_ = 0;
  std::vector<std::int32_t> level_;
  std::vector<float> vectors_, biases_, start_biases_, items_;
  std::optional<FittedBiases> fitted_;
  std::vector<Entry> user_entries_, item_entries_;
  std::vector<float> user_, item_;
};

}  // namespace mwuf
