// ContextCells: the ratings of a prediction context as a dense block, and which of them a model is shown.
//
//   thaw::ContextCells cells;
//   thaw::read_cells(context, ratings.by_user, cells);                      // rating, observed
//   thaw::CellShower().show(context, {.fraction = 0.1}, rng, cells);        // visible: some of the observed
//
// Every array is (users, items), row-major. A model may read `rating` only where `visible` is 1; a loss or a metric
// reads it where `observed` is 1 and `visible` is 0. Only two rules of showing live here; the split of the test ratings
// into support and query is eval/protocol.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/data/context_sampler.hpp"
#include "thaw/graph/csr.hpp"

namespace thaw::inline v0 {

struct ContextCells {
  std::vector<float> rating;           // 0 where unobserved
  std::vector<std::uint8_t> observed;  // 1: there is a rating
  std::vector<std::uint8_t> visible;   // 1: the model may see it; never 1 where unobserved
};

// The item positions that one released implementation shows to every user of a context of 32 items, in training and in
// tests alike.
inline constexpr std::array<std::int32_t, 3> kPublishedColumns{31, 24, 12};

// Reads the ratings of a context from a graph (users to items); nothing is visible yet. Reuses the arrays.
inline void read_cells(const Context& context, const Csr& by_user, ContextCells& cells) {
  const std::size_t width = context.items.size();
  const std::size_t count = context.users.size() * width;
  cells.rating.assign(count, 0.0f);
  cells.observed.assign(count, 0);
  cells.visible.assign(count, 0);
  for (std::size_t row = 0; row < context.users.size(); ++row) {
    for (std::size_t column = 0; column < width; ++column) {
      const float* rating = by_user.find(context.users[row], context.items[column]);
      if (rating == nullptr) continue;
      cells.rating[row * width + column] = *rating;
      cells.observed[row * width + column] = 1;
    }
  }
}

// Reads the ratings of a graph in which everything may be seen: the input side of a test context.
inline void read_visible_cells(const Context& context, const Csr& by_user, ContextCells& cells) {
  read_cells(context, by_user, cells);
  cells.visible = cells.observed;
}

// Adds the hidden ratings of a query to the target's row, so that predictions can be compared with them.
// `items` and `truths` are those of the query items in the context.
inline void add_hidden_truths(const Context& context, std::span<const std::int32_t> items,
                              std::span<const float> truths, ContextCells& cells) {
  require(items.size() == truths.size(), "add_hidden_truths: ", items.size(), " items, ", truths.size(), " ratings");
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto at = std::find(context.items.begin(), context.items.end(), items[i]);
    require(at != context.items.end(), "add_hidden_truths: item ", items[i], " is not in the context");
    const auto cell = static_cast<std::size_t>(at - context.items.begin());
    require(cells.observed[cell] == 0, "add_hidden_truths: the rating of item ", items[i], " is known already");
    cells.rating[cell] = truths[i];
    cells.observed[cell] = 1;
  }
}

// Shows the observed cells of fixed item positions, for all users: the rule of published code. Positions beyond the
// width of a small context are passed over. Which cells a target gets to see then depends on how many ratings he has.
inline void show_columns(const Context& context, std::span<const std::int32_t> positions, ContextCells& cells) {
  const std::size_t width = context.items.size();
  std::fill(cells.visible.begin(), cells.visible.end(), std::uint8_t{0});
  for (const std::int32_t position : positions) {
    if (static_cast<std::size_t>(position) >= width) continue;
    for (std::size_t cell = static_cast<std::size_t>(position); cell < cells.visible.size(); cell += width)
      cells.visible[cell] = cells.observed[cell];
  }
}

struct CellRule {
  double fraction = 0.1;  // of the observed cells of a context, rounded
  std::int32_t most_per_cold_entity = 3;
  bool target_is_cold = true;                 // row 0 plays a cold user
  std::span<const std::uint8_t> cold_user{};  // indexed by user id; empty: nobody is
  std::span<const std::uint8_t> cold_item{};  // indexed by item id
};

// Shows a uniform subset of the observed cells. A cold user's row or a cold item's column shows at most so many of
// them; what is over the limit stays hidden, so that warm cells keep their exact share.
class CellShower {
 public:
  void show(const Context& context, const CellRule& rule, Philox& rng, ContextCells& cells) {
    const std::size_t width = context.items.size();
    std::fill(cells.visible.begin(), cells.visible.end(), std::uint8_t{0});
    observed_.clear();
    for (std::size_t cell = 0; cell < cells.observed.size(); ++cell)
      if (cells.observed[cell] != 0) observed_.push_back(static_cast<std::int32_t>(cell));
    set_limits(context, rule);
    const auto count = static_cast<std::uint32_t>(observed_.size());
    const auto show = (std::min)(count, static_cast<std::uint32_t>(rule.fraction * static_cast<double>(count) + 0.5));
    for (std::uint32_t i = 0; i < show; ++i) {
      std::swap(observed_[i], observed_[i + rng.below(count - i)]);
      const auto cell = static_cast<std::size_t>(observed_[i]);
      std::int32_t& of_row = row_room_[cell / width];
      std::int32_t& of_column = column_room_[cell % width];
      if (of_row == 0 || of_column == 0) continue;
      --of_row;
      --of_column;
      cells.visible[cell] = 1;
    }
  }

 private:
  void set_limits(const Context& context, const CellRule& rule) {
    const auto rows = static_cast<std::int32_t>(context.users.size());
    const auto columns = static_cast<std::int32_t>(context.items.size());
    row_room_.assign(context.users.size(), columns);
    column_room_.assign(context.items.size(), rows);
    const auto limit = [](std::span<const std::uint8_t> cold, std::int32_t id) {
      return !cold.empty() && cold[static_cast<std::size_t>(id)] != 0;
    };
    for (std::size_t r = 0; r < row_room_.size(); ++r)
      if ((r == 0 && rule.target_is_cold) || limit(rule.cold_user, context.users[r]))
        row_room_[r] = rule.most_per_cold_entity;
    for (std::size_t c = 0; c < column_room_.size(); ++c)
      if (limit(rule.cold_item, context.items[c])) column_room_[c] = rule.most_per_cold_entity;
  }

  std::vector<std::int32_t> observed_;
  std::vector<std::int32_t> row_room_;
  std::vector<std::int32_t> column_room_;
};

}  // namespace thaw::inline v0
