// ClickStream: as many made-up impressions as wanted, from a table of as many items as wanted, in constant memory.
//
//   mwuf::ClickStream stream({.items = 1'000'000}, 2048);
//   for (std::int64_t row = 0; row < 10'000'000; row += 2048) learn(stream.fill(row, 2048));
//
// Impression n is a function of (seed, n) alone: a run that remembers n goes on exactly where it stopped, and any part
// can be made again. Popularity falls like a power of the rank; labels follow biases and a match of user and item that
// models can learn. Nothing is stored but one batch. Not a split of old and new items: worlds.hpp makes those.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "mwuf/batch.hpp"
#include "thaw/core/random.hpp"

namespace mwuf {

struct ClickStreamOptions {
  std::int32_t items = 1'000'000;
  std::int32_t users = 100'000;
  std::int32_t categories = 200;  // of items
  std::int32_t tags = 500;        // of items, one to three each
  std::int32_t segments = 20;     // of users
  thaw::Index history = 0;        // slots; filled with items that are made up likewise
  double skew = 3;                // the item's rank is items * (even number)^skew
  std::uint64_t seed = 1;
};

class ClickStream {
 public:
  ClickStream(const ClickStreamOptions& options, thaw::Index most_rows) : options_(options), most_(most_rows) {
    thaw::require(options.items > 0 && options.users > 0 && options.categories > 0 && options.tags > 0 &&
                      options.segments > 0 && options.history >= 0 && options.skew >= 1 && most_rows > 0,
                  "ClickStream: sizes must be positive and the skew at least 1");
    const auto rows = static_cast<std::size_t>(most_rows);
    for (std::vector<std::int32_t>* column : {&items_, &users_, &categories_, &segments_}) column->resize(rows);
    tags_.resize(rows * kMostTags);
    offsets_.resize(rows + 1);
    labels_.resize(rows);
    history_.resize(rows * static_cast<std::size_t>(options.history));
    plan_.items = options.items;
    plan_.history = options.history;
    plan_.add({"category", Side::item, FieldKind::categorical, options.categories});
    plan_.add({"tags", Side::item, FieldKind::multi_valued, options.tags});
    plan_.user_id = plan_.add({"user", Side::user, FieldKind::categorical, options.users});
    plan_.add({"segment", Side::user, FieldKind::categorical, options.segments});
  }
  ClickStream(const ClickStream&) = delete;
  ClickStream& operator=(const ClickStream&) = delete;

  const FieldPlan& plan() const { return plan_; }

  // Impressions first .. first + rows - 1. Valid until the next call.
  const ClickBatch<>& fill(std::int64_t first, thaw::Index rows) {
    thaw::require(first >= 0 && rows > 0 && rows <= most_, "ClickStream: ", rows, " rows from ", first, ", room for ",
                  most_);
    std::int32_t tag_end = 0;
    offsets_[0] = 0;
    for (thaw::Index row = 0; row < rows; ++row) {
      const auto r = static_cast<std::size_t>(row);
      thaw::Philox rng(options_.seed, static_cast<std::uint64_t>(first + row));
      items_[r] = draw_item(rng);
      users_[r] = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(options_.users)));
      labels_[r] = rng.uniform() < 1 / (1 + std::exp(-logit(users_[r], items_[r]))) ? 1.0f : 0.0f;
      for (thaw::Index h = 0; h < options_.history; ++h)
        history_[static_cast<std::size_t>(row * options_.history + h)] = draw_item(rng);
      categories_[r] = category(items_[r]);
      segments_[r] = segment(users_[r]);
      tag_end = add_tags(items_[r], tag_end);
      offsets_[r + 1] = tag_end;
    }
    batch_.rows = rows;
    batch_.item = items_.data();
    batch_.field[0] = {{categories_.data(), nullptr, rows}, nullptr};
    batch_.field[1] = {{tags_.data(), offsets_.data(), rows}, nullptr};
    batch_.field[2] = {{users_.data(), nullptr, rows}, nullptr};
    batch_.field[3] = {{segments_.data(), nullptr, rows}, nullptr};
    batch_.history = options_.history > 0 ? history_.data() : nullptr;
    batch_.labels = labels_.data();
    return batch_;
  }

  // The planted log-odds: what no model can know better.
  double logit(std::int32_t user, std::int32_t item) const {
    return -0.5 + 0.6 * normal(kUserBias, user) + 0.6 * normal(kItemBias, item) +
           0.8 * normal(kMatch, std::int64_t{segment(user)} * options_.categories + category(item));
  }
  std::int32_t category(std::int32_t item) const { return hashed(kCategory, item, options_.categories); }
  std::int32_t segment(std::int32_t user) const { return hashed(kSegment, user, options_.segments); }

 private:
  static constexpr std::size_t kMostTags = 3;
  enum Stream : std::uint64_t { kCategory = 1, kSegment, kTags, kUserBias, kItemBias, kMatch };

  thaw::Key key(Stream stream, std::int64_t number) const {
    return thaw::Key{options_.seed}.fold(stream).fold(static_cast<std::uint64_t>(number));
  }
  std::int32_t hashed(Stream stream, std::int64_t number, std::int32_t count) const {
    return static_cast<std::int32_t>(key(stream, number).bits % static_cast<std::uint64_t>(count));
  }
  double normal(Stream stream, std::int64_t number) const { return thaw::Philox(key(stream, number)).normal(); }

  std::int32_t draw_item(thaw::Philox& rng) const {
    const double rank = static_cast<double>(options_.items) * std::pow(rng.uniform(), options_.skew);
    return (std::min)(static_cast<std::int32_t>(rank), options_.items - 1);
  }

  // One to three different tags, by the item alone.
  std::int32_t add_tags(std::int32_t item, std::int32_t end) {
    thaw::Philox rng(key(kTags, item));
    const std::int32_t begin = end;
    for (std::uint32_t left = 1 + rng.below(kMostTags); left > 0; --left) {
      const auto tag = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(options_.tags)));
      if (std::find(tags_.begin() + begin, tags_.begin() + end, tag) == tags_.begin() + end)
        tags_[static_cast<std::size_t>(end++)] = tag;
    }
    return end;
  }

  ClickStreamOptions options_;
  thaw::Index most_;
  FieldPlan plan_;
  std::vector<std::int32_t> items_, users_, categories_, segments_, tags_, offsets_, history_;
  std::vector<float> labels_;
  ClickBatch<> batch_;
};

}  // namespace mwuf
