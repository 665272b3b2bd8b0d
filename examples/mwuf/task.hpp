// Task: a log of impressions, its split into old and new items, the fields that models read, and batches of them.
//
//   thaw::Result<mwuf::Task> loaded = mwuf::load_task("ml-1m", {.folder = "data", .seed = 1});
//   const mwuf::Task& task = loaded.value();
//   mwuf::Batches batches(task, 2048);
//   const auto& batch = batches.fill(std::span(task.split.base).first(2048));   // valid until the next fill
//   std::puts(task.text.c_str());                                                    // what was done to the data
//
// Nothing in a batch knows the future: histories hold earlier likes of old items alone, and a value that no base
// impression shows (a category, a word, a user) is unknown, -1, because nothing could be learnt about it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mwuf/batch.hpp"
#include "thaw/data/click_histories.hpp"
#include "thaw/data/clicks.hpp"
#include "thaw/data/warm_up_split.hpp"

namespace mwuf {

struct TaskOptions {
  std::string folder = {};  // the data set's own folder or the one that holds it; empty: $THAW_DATA, or "data"
  std::uint64_t seed = 1;   // of every order that the data do not give
  thaw::WarmUpSizes sizes = {0, 0, 0, 0};  // all 0: those of the data set
  thaw::Index history = 20;                // slots of a user's history
  bool unseen_is_unknown = true;  // false: values that no base impression shows keep rows, at their random start
};

// One field's values: of every item, of every user, or of every impression.
struct FieldValues {
  FieldKind kind = FieldKind::categorical;
  Side side = Side::context;
  std::vector<std::int32_t> ids;      // categorical: one an entity; multi-valued: lists
  std::vector<std::int32_t> offsets;  // (entities + 1), multi-valued alone
  std::int32_t longest = 1;           // values of one entity

  std::span<const std::int32_t> of(std::int32_t entity) const {
    const auto e = static_cast<std::size_t>(entity);
    if (kind == FieldKind::categorical) return {ids.data() + e, 1};
    return {ids.data() + offsets[e], static_cast<std::size_t>(offsets[e + 1] - offsets[e])};
  }
};

// Moves, never copies: the plan points at names inside.
struct Task {
  thaw::ClickLog log;
  thaw::WarmUpSplit split;
  thaw::ClickHistories histories;
  FieldPlan plan;
  std::vector<FieldValues> fields;       // in the order of the plan
  std::vector<std::uint8_t> known_user;  // (users) whether the base shows the user
  std::string text;                      // what was done to the data, in words, for a report

  Task() = default;
  Task(Task&&) = default;
  Task& operator=(Task&&) = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  const thaw::Clicks& clicks() const { return log.clicks; }
};

// What a reader of a named set hands over: the log, and how its impressions follow each other inside a user.
struct TaskSource {
  thaw::ClickLog log;
  std::vector<double> places;  // empty: the log's times, or a random order
  std::string times;           // what the times are, in words; may be empty
  std::string history_order;   // the same for histories
  std::string left_out;        // what the log lacks, in words; may be empty
  thaw::WarmUpSizes sizes;
};

namespace detail {

// The values of an attribute that may be learnt from, an entity at a time.
inline FieldValues field_values(const thaw::Attribute& attribute, Side side, std::int32_t entities,
                                const std::vector<std::uint8_t>& shown, bool unseen_is_unknown) {
  std::vector<std::uint8_t> seen(static_cast<std::size_t>(attribute.cardinality()), unseen_is_unknown ? 0 : 1);
  for (std::int32_t e = 0; e < entities; ++e)
    if (shown[static_cast<std::size_t>(e)] != 0)
      for (const std::int32_t value : attribute.of(e)) seen[static_cast<std::size_t>(value)] = 1;
  FieldValues field;
  field.side = side;
  for (std::int32_t e = 0; e < entities; ++e)
    field.longest = (std::max)(field.longest, static_cast<std::int32_t>(attribute.of(e).size()));
  if (field.longest > 1) {
    field.kind = FieldKind::multi_valued;
    field.offsets.push_back(0);
  }
  for (std::int32_t e = 0; e < entities; ++e) {
    std::int32_t last = -1;
    for (const std::int32_t value : attribute.of(e)) {
      if (seen[static_cast<std::size_t>(value)] == 0) continue;
      last = value;
      if (field.kind == FieldKind::multi_valued) field.ids.push_back(value);
    }
    if (field.kind == FieldKind::multi_valued)
      field.offsets.push_back(static_cast<std::int32_t>(field.ids.size()));
    else
      field.ids.push_back(last);
  }
  return field;
}

inline void add_field(Task& task, const char* name, FieldValues values, thaw::Index rows) {
  task.plan.add({name, values.side, values.kind, (std::max)(rows, thaw::Index{1})});
  task.fields.push_back(std::move(values));
}

// Fields of the item first, then the user's id, the user's attributes, what belongs to the impression.
inline void plan_fields(Task& task, const TaskOptions& options) {
  const thaw::Clicks& clicks = task.log.clicks;
  std::vector<std::uint8_t> old_item(static_cast<std::size_t>(clicks.item_count), 0);
  task.known_user.assign(static_cast<std::size_t>(clicks.user_count), 0);
  for (const std::int32_t item : task.split.old_items) old_item[static_cast<std::size_t>(item)] = 1;
  for (const std::int32_t impression : task.split.base)
    task.known_user[static_cast<std::size_t>(clicks.users[static_cast<std::size_t>(impression)])] = 1;
  task.plan.items = clicks.item_count;
  for (const thaw::Attribute& attribute : task.log.items.attributes)
    add_field(task, attribute.name.c_str(),
              field_values(attribute, Side::item, clicks.item_count, old_item, options.unseen_is_unknown),
              attribute.cardinality());
  FieldValues users;
  users.side = Side::user;
  for (std::int32_t user = 0; user < clicks.user_count; ++user)
    users.ids.push_back(task.known_user[static_cast<std::size_t>(user)] != 0 || !options.unseen_is_unknown ? user : -1);
  task.plan.user_id = task.plan.count;
  add_field(task, "user", std::move(users), clicks.user_count);
  for (const thaw::Attribute& attribute : task.log.users.attributes)
    add_field(task, attribute.name.c_str(),
              field_values(attribute, Side::user, clicks.user_count, task.known_user, options.unseen_is_unknown),
              attribute.cardinality());
  for (const thaw::Clicks::Context& context : clicks.context) {
    FieldValues values;
    values.ids = context.ids;
    add_field(task, context.name.c_str(), std::move(values), context.values.size());
  }
}

inline std::string in_words(const Task& task, const TaskSource& source, const thaw::WarmUpSizes& sizes) {
  const auto number = [](auto n) { return std::to_string(n); };
  const thaw::WarmUpSplit& split = task.split;
  std::string text = task.log.name + ": impressions in " + split.order;
  if (!source.times.empty()) text += ", " + source.times;
  text += "; histories of " + number(task.plan.history) + " earlier likes of old items in ";
  text += source.history_order.empty() ? "the same order" : source.history_order;
  text += "; " + number(split.old_items.size()) + " old items with " + number(sizes.old_from) +
          " impressions or more, " + number(split.new_items.size()) + " new ones with " + number(sizes.new_from) +
          " to " + number(sizes.new_to) + ", slices of " + number(sizes.slice) + "; " + number(split.base.size()) +
          " impressions to learn from, ";
  for (std::size_t s = 0; s < 3; ++s) text += number(split.slices[s].size()) + (s < 2 ? " / " : " in the slices, ");
  return text + number(split.test().size()) + " to test, " + number(split.left_out) + " of other items left out" +
         (source.left_out.empty() ? "" : "; " + source.left_out);
}

}  // namespace detail

// Splits a log and plans its fields. A log without user or item attributes has their ids all the same.
inline thaw::Result<Task> make_task(TaskSource source, const TaskOptions& options = {}) {
  const thaw::WarmUpSizes sizes = options.sizes.slice > 0 ? options.sizes : source.sizes;
  thaw::Result<thaw::WarmUpSplit> split =
      thaw::split_warm_up(source.log.clicks, {.sizes = sizes, .seed = options.seed});
  if (!split) return split.fault();
  const std::size_t fields =
      source.log.items.attributes.size() + 1 + source.log.users.attributes.size() + source.log.clicks.context.size();
  if (fields > static_cast<std::size_t>(kMaxFields))
    return thaw::make_fault(thaw::FaultKind::unsupported, source.log.name.c_str(), ": ", fields,
                            " fields, but a model reads at most ", kMaxFields, "; leave attributes out");
  Task task;
  task.log = std::move(source.log);
  task.split = std::move(split.value());
  task.plan.history = options.history;
  detail::plan_fields(task, options);
  if (source.places.empty()) source.places = thaw::places_by_time(task.log.clicks, {.seed = options.seed});
  std::vector<std::uint8_t> listed(static_cast<std::size_t>(task.log.clicks.item_count), 0);
  for (const std::int32_t item : task.split.old_items) listed[static_cast<std::size_t>(item)] = 1;
  task.histories = thaw::click_histories(task.log.clicks, source.places, listed);
  task.text = detail::in_words(task, source, sizes);
  return task;
}

// Columns of impressions, in memory that is used again. The largest batch is fixed at the start; a fill allocates
// nothing.
class Batches {
 public:
  Batches(const Task& task, thaw::Index most_rows) : task_(task), most_(most_rows) {
    thaw::require(most_rows > 0, "Batches: needs room for a row");
    const auto rows = static_cast<std::size_t>(most_rows);
    items_.resize(rows);
    users_.resize(rows);
    impressions_.resize(rows);
    labels_.resize(rows);
    history_.resize(rows * static_cast<std::size_t>(task.plan.history));
    columns_.resize(task.fields.size());
    for (std::size_t f = 0; f < columns_.size(); ++f) {
      columns_[f].ids.resize(rows * static_cast<std::size_t>(task.fields[f].longest));
      columns_[f].offsets.resize(rows + 1);
    }
  }
  Batches(const Batches&) = delete;
  Batches& operator=(const Batches&) = delete;

  // The rows of the given impressions, labels and histories included. Valid until the next call.
  const ClickBatch<>& fill(std::span<const std::int32_t> impressions) {
    check_size(impressions.size());
    const thaw::Clicks& clicks = task_.clicks();
    const auto slots = static_cast<std::size_t>(task_.plan.history);
    for (std::size_t row = 0; row < impressions.size(); ++row) {
      const std::int32_t impression = impressions[row];
      const auto at = static_cast<std::size_t>(impression);
      items_[row] = clicks.items[at];
      users_[row] = clicks.users[at];
      impressions_[row] = impression;
      labels_[row] = clicks.labels[at];
      task_.histories.latest(impression, users_[row], std::span(history_).subspan(row * slots, slots));
    }
    return gather(impressions.size(), labels_.data());
  }

  // One user and many candidates: a request. No labels, no context; the history is the caller's, oldest first.
  const ClickBatch<>& request(std::int32_t user, std::span<const std::int32_t> candidates,
                              std::span<const std::int32_t> liked) {
    check_size(candidates.size());
    const auto slots = static_cast<std::size_t>(task_.plan.history);
    if (liked.size() > slots) liked = liked.last(slots);
    for (std::size_t row = 0; row < candidates.size(); ++row) {
      items_[row] = candidates[row];
      users_[row] = user;
      impressions_[row] = -1;
      const auto behind =
          std::copy(liked.begin(), liked.end(), history_.begin() + static_cast<std::ptrdiff_t>(row * slots));
      std::fill(behind, history_.begin() + static_cast<std::ptrdiff_t>((row + 1) * slots), -1);
    }
    return gather(candidates.size(), nullptr);
  }

  thaw::Index most_rows() const { return most_; }

 private:
  struct Column {
    std::vector<std::int32_t> ids, offsets;
  };

  void check_size(std::size_t rows) const {
    thaw::require(rows > 0 && rows <= static_cast<std::size_t>(most_), "Batches: ", rows, " rows, room for ", most_);
  }

  const ClickBatch<>& gather(std::size_t rows, const float* labels) {
    for (std::size_t f = 0; f < columns_.size(); ++f) {
      const FieldValues& values = task_.fields[f];
      Column& column = columns_[f];
      const std::int32_t* entity = values.side == Side::item   ? items_.data()
                                   : values.side == Side::user ? users_.data()
                                                               : impressions_.data();
      thaw::Bags bags{column.ids.data(), nullptr, static_cast<thaw::Index>(rows)};
      if (values.kind == FieldKind::multi_valued) {
        bags.offsets = column.offsets.data();
        gather_lists(values, entity, rows, column);
      } else {
        for (std::size_t row = 0; row < rows; ++row)
          column.ids[row] = entity[row] < 0 ? -1 : values.ids[static_cast<std::size_t>(entity[row])];
      }
      batch_.field[f] = {bags, nullptr};
    }
    batch_.rows = static_cast<thaw::Index>(rows);
    batch_.item = items_.data();
    batch_.history = task_.plan.history > 0 ? history_.data() : nullptr;
    batch_.labels = labels;
    return batch_;
  }

  static void gather_lists(const FieldValues& values, const std::int32_t* entity, std::size_t rows, Column& column) {
    std::int32_t end = 0;
    column.offsets[0] = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      if (entity[row] >= 0)
        for (const std::int32_t id : values.of(entity[row])) column.ids[static_cast<std::size_t>(end++)] = id;
      column.offsets[row + 1] = end;
    }
  }

  const Task& task_;
  thaw::Index most_;
  std::vector<std::int32_t> items_, users_, impressions_, history_;
  std::vector<float> labels_;
  std::vector<Column> columns_;
  ClickBatch<> batch_;
};

}  // namespace mwuf
