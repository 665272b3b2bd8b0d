// From episodes to what networks gather: records as rows, ids and attribute values as bags, all in an arena.
//
//   const hyperrs::Rows support = hyperrs::rows_of(episode.support, Objective::ranking, arena);
//   const thaw::Bags genre = hyperrs::attribute_bags(data.items, 1, support.span(), /*mean*/ true, arena);
//
// What is returned lives until the arena rewinds.
#pragma once

#include <span>
#include <vector>

#include "hyperrs/learner.hpp"
#include "thaw/backend/cpu.hpp"

namespace hyperrs {

// Items with one label each: records first, then negatives. Repeated items stay repeated.
struct Rows {
  std::int32_t* items = nullptr;
  float* labels = nullptr;
  thaw::Index count = 0;

  std::span<const std::int32_t> span() const { return {items, static_cast<std::size_t>(count)}; }
};

// Ranking: a record is 1, a negative 0. Rating: the records' labels; negatives are left out.
inline Rows rows_of(const thaw::Episode::Part& part, Objective objective, thaw::Arena& arena) {
  const bool ranking = objective == Objective::ranking;
  const std::size_t records = part.items.size(), negatives = ranking ? part.negatives.size() : 0;
  thaw::require(ranking || part.labels.size() == records, "episode: ", records, " items with ", part.labels.size(),
                " labels");
  Rows rows;
  rows.count = static_cast<thaw::Index>(records + negatives);
  rows.items = arena.take<std::int32_t>(rows.count);
  rows.labels = arena.take<float>(rows.count);
  for (std::size_t i = 0; i < records; ++i) {
    rows.items[i] = part.items[i];
    rows.labels[i] = ranking ? 1.0F : part.labels[i];
  }
  for (std::size_t i = 0; i < negatives; ++i) {
    rows.items[records + i] = part.negatives[i];
    rows.labels[records + i] = 0;
  }
  return rows;
}

// One bag an entity with its values of an attribute; entities that the data set does not have get none.
inline thaw::Bags attribute_bags(const thaw::Entities& entities, int attribute, std::span<const std::int32_t> of,
                                 bool mean, thaw::Arena& arena) {
  const thaw::Attribute& values = entities.attributes[static_cast<std::size_t>(attribute)];
  const auto values_of = [&](std::int32_t entity) {
    return entity >= 0 && entity < entities.size() ? values.of(entity) : std::span<const std::int32_t>{};
  };
  const auto count = static_cast<thaw::Index>(of.size());
  auto* offsets = arena.take<std::int32_t>(count + 1);
  offsets[0] = 0;
  for (thaw::Index i = 0; i < count; ++i)
    offsets[i + 1] = offsets[i] + static_cast<std::int32_t>(values_of(of[static_cast<std::size_t>(i)]).size());
  auto* ids = arena.take<std::int32_t>(offsets[count]);
  for (thaw::Index i = 0; i < count; ++i) {
    std::int32_t* to = ids + offsets[i];
    for (const std::int32_t value : values_of(of[static_cast<std::size_t>(i)])) *to++ = value;
  }
  return {ids, offsets, count, mean};
}

// One id an entity, -1 (which adds nothing) for those that `known` does not mark.
inline thaw::Bags id_bags(std::span<const std::int32_t> of, const std::vector<std::uint8_t>& known,
                          thaw::Arena& arena) {
  const auto count = static_cast<thaw::Index>(of.size());
  auto* ids = arena.take<std::int32_t>(count);
  for (thaw::Index i = 0; i < count; ++i) {
    const std::int32_t entity = of[static_cast<std::size_t>(i)];
    const bool trained =
        entity >= 0 && static_cast<std::size_t>(entity) < known.size() && known[static_cast<std::size_t>(entity)] != 0;
    ids[i] = trained ? entity : -1;
  }
  return {ids, nullptr, count, false};
}

// The rows first, first + 1, ... as ids.
inline std::int32_t* count_up(std::int32_t first, thaw::Index count, thaw::Arena& arena) {
  auto* ids = arena.take<std::int32_t>(count);
  for (thaw::Index i = 0; i < count; ++i) ids[i] = first + static_cast<std::int32_t>(i);
  return ids;
}

// Which rows of a graph have an edge.
inline std::vector<std::uint8_t> with_records(const thaw::Csr& graph, std::int32_t entities) {
  std::vector<std::uint8_t> known(static_cast<std::size_t>(entities), 0);
  for (std::int32_t e = 0; e < graph.rows() && e < entities; ++e)
    known[static_cast<std::size_t>(e)] = graph.row(e).empty() ? 0 : 1;
  return known;
}

}  // namespace hyperrs
