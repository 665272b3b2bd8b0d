// Csr: for each row a list of (column, value), rows one after another. The rating graph in both directions.
//
//   thaw::Csr by_user = thaw::Csr::from_ratings(ratings, user_count, thaw::Csr::Side::user);
//   for (auto edge : by_user.row(user)) use(edge.column, edge.value);
//
// Rows keep their edges sorted by column, so that a look-up is a binary search. Not a matrix with arithmetic.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/config.hpp"

namespace thaw::inline v0 {

// One observed rating, in dense ids (0-based row numbers of the users and items of a data set).
struct Rating {
  std::int32_t user = 0;
  std::int32_t item = 0;
  float value = 0;
};

struct Csr {
  struct Edge {
    std::int32_t column;
    float value;
  };
  enum class Side { user, item };

  std::vector<std::int64_t> offsets;  // (rows + 1)
  std::vector<Edge> edges;            // (edges), sorted by column inside each row

  std::int32_t rows() const { return static_cast<std::int32_t>(offsets.empty() ? 0 : offsets.size() - 1); }
  std::span<const Edge> row(std::int32_t r) const {
    const auto begin = static_cast<std::size_t>(offsets[static_cast<std::size_t>(r)]);
    const auto end = static_cast<std::size_t>(offsets[static_cast<std::size_t>(r) + 1]);
    return {edges.data() + begin, end - begin};
  }
  // The value at (row, column), or null where there is no edge.
  const float* find(std::int32_t r, std::int32_t column) const {
    const auto list = row(r);
    const auto at =
        std::lower_bound(list.begin(), list.end(), column, [](const Edge& e, std::int32_t c) { return e.column < c; });
    return at != list.end() && at->column == column ? &at->value : nullptr;
  }

  // Rows are users (columns items) or items (columns users). Counting sort: O(ratings + rows).
  static Csr from_ratings(std::span<const Rating> ratings, std::int32_t row_count, Side side) {
    Csr csr;
    csr.offsets.assign(static_cast<std::size_t>(row_count) + 1, 0);
    const auto row_of = [side](const Rating& r) { return side == Side::user ? r.user : r.item; };
    for (const Rating& r : ratings) ++csr.offsets[static_cast<std::size_t>(row_of(r)) + 1];
    for (std::size_t i = 1; i < csr.offsets.size(); ++i) csr.offsets[i] += csr.offsets[i - 1];
    csr.edges.resize(ratings.size());
    std::vector<std::int64_t> next(csr.offsets.begin(), csr.offsets.end() - 1);
    for (const Rating& r : ratings) {
      auto& at = next[static_cast<std::size_t>(row_of(r))];
      csr.edges[static_cast<std::size_t>(at++)] = {side == Side::user ? r.item : r.user, r.value};
    }
    for (std::int32_t r = 0; r < row_count; ++r) {
      const auto begin = csr.edges.begin() + csr.offsets[static_cast<std::size_t>(r)];
      const auto end = csr.edges.begin() + csr.offsets[static_cast<std::size_t>(r) + 1];
      std::sort(begin, end, [](const Edge& a, const Edge& b) { return a.column < b.column; });
    }
    return csr;
  }
};

}  // namespace thaw::inline v0
