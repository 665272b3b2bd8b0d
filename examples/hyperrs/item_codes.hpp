// ItemCodes: an item as the sum of a row of its own and, attribute by attribute, the mean row of its values.
//
//   hyperrs::KnownItems known(world);
//   auto codes = items(known.bags(ids, arena));          // (ids, width)
//
// An item without training records has no row of its own: it is what its attributes say, or zero without any. Not
// normalised, not projected.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "hyperrs/learner.hpp"
#include "thaw/nn/embedding.hpp"

namespace hyperrs {

constexpr int kMostAttributes = 15;

// A list of items as what the tables gather.
struct ItemBags {
  thaw::Bags id;
  thaw::Bags attribute[kMostAttributes];
};

template <thaw::Value T>
struct ItemCodes {
  thaw::Embedding<T> id;
  thaw::Several<thaw::Embedding<T>, kMostAttributes> attributes;

  // (items, width)
  T operator()(const ItemBags& bags) const {
    T code = id(bags.id);
    for (int a = 0; a < attributes.count; ++a) code = thaw::add(code, attributes[a](bags.attribute[a]));
    return code;
  }
  static void each(auto&& visit, auto&... m) { visit("id", m.id...), visit("attributes", m.attributes...); }
};

// Which items have training records, and the attributes of all.
class KnownItems {
 public:
  explicit KnownItems(const World& world, bool with_attributes = true) : items_(&world.data->items) {
    for (std::int32_t i = 0; i < items_->size(); ++i)
      known_.push_back(i < world.train.item_count() && !world.train.by_item.row(i).empty());
    attributes_ = with_attributes ? static_cast<int>(items_->attributes.size()) : 0;
    thaw::require(attributes_ <= kMostAttributes, "KnownItems: ", attributes_, " attributes of items, at most ",
                  kMostAttributes, " are read");
  }

  bool known(std::int32_t item) const { return exists(item) && known_[static_cast<std::size_t>(item)] != 0; }
  int attributes() const { return attributes_; }

  // Row tables, uniform in +-limit(rows); `limit` as a function of the rows of a table.
  template <class Limit>
  ItemCodes<thaw::Spec> plan(thaw::Index width, const Limit& limit) const {
    const auto table = [&](thaw::Index rows) {
      thaw::Embedding<thaw::Spec> plan = thaw::embedding_spec(rows, width, /*row_table*/ true);
      plan.table.init = {thaw::Init::Kind::uniform, limit(rows)};
      return plan;
    };
    ItemCodes<thaw::Spec> plan{table(items_->size()), {}};
    for (int a = 0; a < attributes_; ++a) plan.attributes.push(table(attribute(a).cardinality()));
    return plan;
  }

  // The index lists live in the arena. Items that the data set does not have read nothing.
  ItemBags bags(std::span<const std::int32_t> items, thaw::Arena& arena) const {
    const auto count = static_cast<thaw::Index>(items.size());
    auto* rows = arena.take<std::int32_t>(count);
    for (thaw::Index i = 0; i < count; ++i) {
      const std::int32_t item = items[static_cast<std::size_t>(i)];
      rows[i] = known(item) ? item : -1;
    }
    ItemBags out;
    out.id = {rows, nullptr, count, false};
    for (int a = 0; a < attributes_; ++a) {
      const auto values = [&](thaw::Index i) {
        const std::int32_t item = items[static_cast<std::size_t>(i)];
        return exists(item) ? attribute(a).of(item) : std::span<const std::int32_t>{};
      };
      auto* offsets = arena.take<std::int32_t>(count + 1);
      offsets[0] = 0;
      for (thaw::Index i = 0; i < count; ++i) offsets[i + 1] = offsets[i] + static_cast<std::int32_t>(values(i).size());
      auto* ids = arena.take<std::int32_t>(offsets[count]);
      for (thaw::Index i = 0; i < count; ++i) std::copy(values(i).begin(), values(i).end(), ids + offsets[i]);
      out.attribute[a] = {ids, offsets, count, /*mean*/ true};
    }
    return out;
  }

 private:
  bool exists(std::int32_t item) const { return item >= 0 && item < items_->size(); }
  const thaw::Attribute& attribute(int a) const { return items_->attributes[static_cast<std::size_t>(a)]; }

  const thaw::Entities* items_;
  std::vector<std::uint8_t> known_;
  int attributes_ = 0;
};

}  // namespace hyperrs
