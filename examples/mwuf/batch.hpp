// What click models read: the plan of a data set's fields, and a batch of impressions in that plan.
//
//   mwuf::FieldPlan plan;
//   plan.items = 3706;
//   plan.add({"user", mwuf::Side::user, thaw::FieldKind::categorical, 6040});
//   plan.add({"genres", mwuf::Side::item, thaw::FieldKind::multi_valued, 18});
//   mwuf::ClickBatch<> batch;
//   batch.rows = 2048, batch.item = items, batch.field[0].bags = {users, nullptr, 2048}, ...
//   if (const auto sound = mwuf::check_batch(plan, batch); !sound) ...
//
// The item's id is no field: every model takes its embedding as a value, because that value is what warms up.
#pragma once

#include "thaw/nn/field_embedding.hpp"

namespace mwuf {

using thaw::FieldColumn;
using thaw::FieldKind;
using thaw::Index;

inline constexpr int kMaxFields = 16;

// Whose property a field is. Meta networks read the fields of the item.
enum class Side : std::uint8_t { item, user, context };

struct Field {
  const char* name = "";  // a literal, or text that outlives the plan
  Side side = Side::context;
  FieldKind kind = FieldKind::categorical;
  Index values = 1;  // rows of its table; 1 for a continuous field
};

struct FieldPlan {
  Field fields[kMaxFields];
  int count = 0;
  Index items = 0;    // rows of the item id table
  int user_id = -1;   // the field that is the user's id, whose rows the shifting network pools; -1: there is none
  Index history = 0;  // slots of a user's history; 0: the data have none

  // Adds a field and returns its number.
  int add(const Field& field) {
    thaw::require(count < kMaxFields, "FieldPlan: more than ", kMaxFields, " fields");
    fields[count] = field;
    return count++;
  }
};

// Impressions in columns. Nothing is owned, and everything must live as long as the tape that records a model's pass.
// An id below zero is an unknown value: its vector is zero and it learns nothing.
template <class Real = float>
struct ClickBatch {
  Index rows = 0;
  const std::int32_t* item = nullptr;     // (rows): rows of the item id table
  FieldColumn<Real> field[kMaxFields];    // in the order of the plan
  const std::int32_t* history = nullptr;  // (rows, plan.history) items, oldest first; below zero: an empty slot
  const Real* labels = nullptr;           // (rows), 0 or 1; may be null where nothing is learnt
};

namespace detail {

using Checked = thaw::Result<thaw::Done>;

inline Checked check_ids(const char* what, const std::int32_t* ids, Index begin, Index end, Index limit) {
  for (Index e = begin; e < end; ++e)
    if (ids[e] >= limit)
      return thaw::make_fault(thaw::FaultKind::malformed, "batch: ", what, " has id ", ids[e], " at position ", e,
                              " but only ", limit, " values; number unseen values -1");
  return thaw::Done{};
}

inline Checked check_bags(const Field& field, const thaw::Bags& bags, Index rows) {
  const bool several = field.kind == FieldKind::multi_valued;
  if (bags.ids == nullptr || bags.count != rows || (bags.offsets != nullptr) != several)
    return thaw::make_fault(thaw::FaultKind::malformed, "batch: field ", field.name, " is missing or has ", bags.count,
                            " rows of ", rows, "; ",
                            several ? "a multi-valued field needs ids and offsets" : "a category has one id a row");
  for (Index s = 0; several && s < rows; ++s)
    if (bags.offsets[s] < 0 || bags.offsets[s] > bags.offsets[s + 1])
      return thaw::make_fault(thaw::FaultKind::malformed, "batch: field ", field.name, " has offsets that fall at row ",
                              s);
  return check_ids(field.name, bags.ids, bags.begin(0), bags.end(rows - 1), field.values);
}

// Every number is finite, and between `low` and `high`.
template <class Real>
Checked check_numbers(const char* what, const Real* numbers, Index rows, double low, double high) {
  if (numbers == nullptr)
    return thaw::make_fault(thaw::FaultKind::malformed, "batch: ", what, " is missing; give ", rows, " numbers");
  for (Index i = 0; i < rows; ++i)
    if (!(static_cast<double>(numbers[i]) >= low && static_cast<double>(numbers[i]) <= high))
      return thaw::make_fault(thaw::FaultKind::malformed, "batch: ", what, " is ", static_cast<double>(numbers[i]),
                              " at row ", i, "; it must be finite", high <= 1 ? " and within 0 .. 1" : "");
  return thaw::Done{};
}

}  // namespace detail

// Whether a batch fits its plan: every column there, ids below their tables' sizes, offsets in order, numbers finite,
// labels within 0 .. 1. Meant for where data enter; models check only what costs nothing.
template <class Real>
thaw::Result<thaw::Done> check_batch(const FieldPlan& plan, const ClickBatch<Real>& batch) {
  if (batch.rows <= 0 || batch.item == nullptr)
    return thaw::make_fault(thaw::FaultKind::malformed, "batch: no rows or no items; a batch needs both");
  if (auto sound = detail::check_ids("item", batch.item, 0, batch.rows, plan.items); !sound) return sound;
  for (int f = 0; f < plan.count; ++f) {
    const Field& field = plan.fields[f];
    auto sound = field.kind == FieldKind::continuous
                     ? detail::check_numbers(field.name, batch.field[f].values, batch.rows, -1e30, 1e30)
                     : detail::check_bags(field, batch.field[f].bags, batch.rows);
    if (!sound) return sound;
  }
  if (plan.history > 0) {
    if (batch.history == nullptr)
      return thaw::make_fault(thaw::FaultKind::malformed, "batch: histories of ", plan.history,
                              " slots are missing; fill empty slots with -1");
    auto sound = detail::check_ids("history", batch.history, 0, batch.rows * plan.history, plan.items);
    if (!sound) return sound;
  }
  if (batch.labels == nullptr) return thaw::Done{};
  return detail::check_numbers("label", batch.labels, batch.rows, 0, 1);
}

}  // namespace mwuf
