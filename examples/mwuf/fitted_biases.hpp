// FittedBiases: what users, the values of fields, and a user's own liking for an author add to the log-odds of a click,
// fitted at once to the impressions of old items.
//
//   mwuf::FittedBiases biases(task, {});              // knows its rows, all zero
//   const double mean = biases.fit(task);
//   const float logit = biases.of(batch, i) + mean;   // of an item without impressions
//
//   logit = mean + user + values of the user's fields + values of the item's fields + (user, value) pairs + item
//
// Pairs are those of a user and a value of the item field with the most values (an author, say) that the old items'
// impressions show, where items have one value each: crossed features, as in the wide part of Wide & Deep, each with a
// prior of its own. Only impressions of old items are read. An item's own bias is fitted along, so that it is not put
// down to its author, and is given out by item(). What is fitted, and how: bias_fit.hpp.
#pragma once

#include <algorithm>

#include "mwuf/bias_fit.hpp"
#include "mwuf/task.hpp"

namespace mwuf {

// Precisions of normal priors: one over the variance, in squared log-odds, that values of the kind are expected to
// have.
struct BiasPriors {
  double user = 0.7, item = 2;
  double finest = 1.5;                      // values of the item field with the most values
  double user_finest = 0.5;                 // pairs of a user and such a value
  double item_field = 40, user_field = 10;  // values of all other fields
};

class FittedBiases {
 public:
  FittedBiases(const Task& task, const BiasPriors& priors) : plan_(task.plan), priors_(priors) {
    Index rows = 0;
    for (int f = 0; f < plan_.count; ++f) {
      const Field& field = plan_.fields[f];
      first_[f] = rows;
      rows += rows_of(field);
      if (field.side == Side::item && field.kind != FieldKind::continuous &&
          (finest_ < 0 || field.values > plan_.fields[finest_].values))
        finest_ = f;
    }
    first_pair_ = rows;
    // Lists (words of a title) make too many pairs that say too little.
    const bool single = finest_ >= 0 && task.fields[static_cast<std::size_t>(finest_)].longest <= 1;
    if (single && plan_.user_id >= 0) find_pairs(task);
    first_item_ = first_pair_ + static_cast<Index>(pairs_.size());
    values_.assign(static_cast<std::size_t>(first_item_ + plan_.items), 0.0f);
  }

  // Returns the mean.
  double fit(const Task& task) {
    BiasFit fit(static_cast<Index>(values_.size()));
    for (int f = 0; f < plan_.count; ++f) fit.set_precision(first_[f], rows_of(plan_.fields[f]), precision_of(f));
    fit.set_precision(first_pair_, first_item_ - first_pair_, priors_.user_finest);
    fit.set_precision(first_item_, plan_.items, priors_.item);
    std::vector<BiasFit::Entry> entries;
    Batches batches(task, kRows);
    const std::span<const std::int32_t> base = task.split.base;
    for (std::size_t begin = 0; begin < base.size(); begin += kRows) {
      const ClickBatch<>& batch =
          batches.fill(base.subspan(begin, (std::min)(std::size_t{kRows}, base.size() - begin)));
      for (Index i = 0; i < batch.rows; ++i) {
        entries.clear();
        each_entry(batch, i, [&](Index row, float weight) { entries.push_back({row, weight}); });
        if (batch.item[i] >= 0) entries.push_back({first_item_ + batch.item[i], 1.0f});
        fit.add(entries, batch.labels[i]);
      }
    }
    const double mean = fit.solve();
    std::copy(fit.biases().begin(), fit.biases().end(), values_.begin());
    return mean;
  }

  // The sum of all biases of a row but the item's own and the mean.
  float of(const ClickBatch<>& batch, Index i) const {
    float sum = 0;
    each_entry(batch, i, [&](Index row, float weight) { sum += weight * values_[static_cast<std::size_t>(row)]; });
    return sum;
  }
  float item(Index item) const { return values_[static_cast<std::size_t>(first_item_ + item)]; }
  std::vector<float>& values() { return values_; }
  const std::vector<float>& values() const { return values_; }
  std::size_t pairs() const { return pairs_.size(); }

 private:
  static constexpr std::size_t kRows = 1024;

  static Index rows_of(const Field& field) { return field.kind == FieldKind::continuous ? 1 : field.values; }
  double precision_of(int f) const {
    if (f == plan_.user_id) return priors_.user;
    if (plan_.fields[f].side != Side::item) return priors_.user_field;
    return f == finest_ ? priors_.finest : priors_.item_field;
  }
  static std::uint64_t pair_of(std::int32_t user, std::int32_t value) {
    return static_cast<std::uint64_t>(user) << 32 | static_cast<std::uint32_t>(value);
  }
  // Pairs that the base shows, sorted.
  void find_pairs(const Task& task) {
    Batches batches(task, kRows);
    const std::span<const std::int32_t> base = task.split.base;
    for (std::size_t begin = 0; begin < base.size(); begin += kRows) {
      const ClickBatch<>& batch =
          batches.fill(base.subspan(begin, (std::min)(std::size_t{kRows}, base.size() - begin)));
      for (Index i = 0; i < batch.rows; ++i)
        each_pair(batch, i, [&](std::uint64_t pair, float) { pairs_.push_back(pair); });
    }
    std::sort(pairs_.begin(), pairs_.end());
    pairs_.erase(std::unique(pairs_.begin(), pairs_.end()), pairs_.end());
  }

  // fn(id, weight) for the known values of a row; of n values each has the weight 1 / sqrt(n).
  template <class Fn>
  void each_value(const FieldColumn<>& column, Index i, const Fn& fn) const {
    const Index begin = column.bags.begin(i), end = column.bags.end(i);
    const float weight = 1 / std::sqrt(static_cast<float>((std::max)(end - begin, Index(1))));
    for (Index e = begin; e < end; ++e)
      if (column.bags.ids[e] >= 0) fn(column.bags.ids[e], weight);
  }
  template <class Fn>
  void each_pair(const ClickBatch<>& batch, Index i, const Fn& fn) const {
    each_value(batch.field[plan_.user_id], i, [&](std::int32_t user, float) {
      each_value(batch.field[finest_], i, [&](std::int32_t value, float weight) { fn(pair_of(user, value), weight); });
    });
  }
  // fn(row, weight) for all that a row shows but its item.
  template <class Fn>
  void each_entry(const ClickBatch<>& batch, Index i, const Fn& fn) const {
    for (int f = 0; f < plan_.count; ++f) {
      if (plan_.fields[f].kind == FieldKind::continuous)
        fn(first_[f], batch.field[f].values[i]);
      else
        each_value(batch.field[f], i, [&](std::int32_t id, float weight) { fn(first_[f] + id, weight); });
    }
    if (pairs_.empty()) return;
    each_pair(batch, i, [&](std::uint64_t pair, float weight) {
      const auto found = std::lower_bound(pairs_.begin(), pairs_.end(), pair);
      if (found != pairs_.end() && *found == pair) fn(first_pair_ + (found - pairs_.begin()), weight);
    });
  }

  FieldPlan plan_;
  BiasPriors priors_;
  Index first_[kMaxFields] = {};
  int finest_ = -1;
  Index first_pair_ = 0, first_item_ = 0;
  std::vector<std::uint64_t> pairs_;
  std::vector<float> values_;  // of fields, pairs, items
};

}  // namespace mwuf
