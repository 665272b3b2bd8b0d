#include "thaw/data/context_cells.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace {

using thaw::Context;
using thaw::ContextCells;
using thaw::Rating;

const std::vector<Rating> kRatings{{4, 1, 5.0f}, {4, 9, 3.0f}, {2, 9, 1.0f}, {7, 0, 2.0f}};

TEST_CASE("read_cells: rating and observed, nothing visible") {
  const auto graph = thaw::Csr::from_ratings(kRatings, 8, thaw::Csr::Side::user);
  const Context context{{4, 2}, {9, 0, 1}, 0};
  ContextCells cells;
  thaw::read_cells(context, graph, cells);
  CHECK(cells.rating == std::vector<float>{3, 0, 5, 1, 0, 0});
  CHECK(cells.observed == std::vector<std::uint8_t>{1, 0, 1, 1, 0, 0});
  CHECK(cells.visible == std::vector<std::uint8_t>(6, 0));
  thaw::read_visible_cells(context, graph, cells);
  CHECK(cells.visible == cells.observed);
  thaw::add_hidden_truths(context, std::vector<std::int32_t>{0}, std::vector<float>{4}, cells);
  CHECK(cells.rating == std::vector<float>{3, 4, 5, 1, 0, 0});
  CHECK(cells.observed == std::vector<std::uint8_t>{1, 1, 1, 1, 0, 0});
  CHECK(cells.visible == std::vector<std::uint8_t>{1, 0, 1, 1, 0, 0});
}

TEST_CASE("show_columns: fixed positions for every user") {
  const auto graph = thaw::Csr::from_ratings(kRatings, 8, thaw::Csr::Side::user);
  const Context context{{4, 2}, {9, 0, 1}, 0};
  ContextCells cells;
  thaw::read_cells(context, graph, cells);
  thaw::show_columns(context, std::vector<std::int32_t>{0, 1, 31}, cells);
  CHECK(cells.visible == std::vector<std::uint8_t>{1, 0, 0, 1, 0, 0});
}

// A dense 32 x 32 context in which `density` of 10 cells are observed.
ContextCells dense(Context& context, std::uint32_t density, std::uint64_t seed) {
  context = {};
  ContextCells cells;
  thaw::Philox rng(seed);
  for (std::int32_t i = 0; i < 32; ++i) {
    context.users.push_back(i);
    context.items.push_back(100 + i);
  }
  for (int i = 0; i < 1024; ++i) {
    cells.observed.push_back(rng.below(10) < density);
    cells.rating.push_back(cells.observed.back() != 0 ? 3.0f : 0.0f);
    cells.visible.push_back(0);
  }
  return cells;
}

TEST_CASE("CellShower: the asked share, uniform, only observed cells") {
  Context context;
  auto cells = dense(context, 6, 1);
  double observed = 0;
  for (const auto mark : cells.observed) observed += mark;
  std::vector<int> count(1024, 0);
  thaw::CellShower shower;
  const int rounds = 1500;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    thaw::Philox rng(2, round);
    shower.show(context, {.fraction = 0.1, .target_is_cold = false}, rng, cells);
    int shown = 0;
    for (std::size_t i = 0; i < 1024; ++i) {
      shown += cells.visible[i];
      count[i] += cells.visible[i];
      if (cells.observed[i] == 0) CHECK(cells.visible[i] == 0);
    }
    CHECK(shown == int(observed * 0.1 + 0.5));
  }
  for (std::size_t i = 0; i < 1024; ++i)
    if (cells.observed[i] != 0) CHECK(std::abs(count[i] - rounds * 0.1) < 5 * std::sqrt(rounds * 0.09));
}

TEST_CASE("CellShower: at most three of a cold user, of a cold item and of the target") {
  Context context;
  auto cells = dense(context, 10, 1);
  std::vector<std::uint8_t> cold_user(32, 0), cold_item(132, 0);
  for (std::size_t i = 0; i < 32; i += 2) cold_user[i] = 1;
  for (std::size_t i = 100; i < 132; i += 4) cold_item[i] = 1;
  thaw::Philox rng(3);
  bool limit_reached = false;
  for (int round = 0; round < 20; ++round) {
    thaw::CellShower().show(context, {.fraction = 0.5, .cold_user = cold_user, .cold_item = cold_item}, rng, cells);
    for (std::size_t r = 0; r < 32; ++r) {
      int in_row = 0, in_column = 0;
      for (std::size_t c = 0; c < 32; ++c) {
        in_row += cells.visible[r * 32 + c];
        in_column += cells.visible[c * 32 + r];
      }
      if (r % 2 == 0) CHECK(in_row <= 3);
      if (r % 4 == 0) CHECK(in_column <= 3);
      limit_reached = limit_reached || (r % 2 == 0 && in_row == 3);
      if (r % 2 == 1) CHECK(in_row > 3);
    }
  }
  CHECK(limit_reached);
}

}  // namespace
