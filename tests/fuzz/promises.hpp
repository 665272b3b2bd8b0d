// What every reader promises of what it returns, for fuzz targets.
#pragma once

#include <cmath>
#include <cstdlib>

#include "thaw/data/dataset.hpp"

namespace fuzz {

inline void expect(bool holds) {
  if (!holds) std::abort();
}

inline void check_attribute(const thaw::Attribute& attribute, std::int32_t entities) {
  expect(attribute.offsets.size() == static_cast<std::size_t>(entities) + 1);
  expect(static_cast<std::size_t>(attribute.offsets.back()) == attribute.ids.size());
  for (const std::int32_t id : attribute.ids) expect(id >= 0 && id < attribute.cardinality());
}

inline void check_entities(const thaw::Entities& entities) {
  for (const thaw::Attribute& attribute : entities.attributes) check_attribute(attribute, entities.size());
  expect(entities.titles.empty() || entities.titles.size() == static_cast<std::size_t>(entities.size()));
  expect(entities.years.empty() || entities.years.size() == static_cast<std::size_t>(entities.size()));
}

inline void check_dataset(const thaw::Dataset& data) {
  expect(!data.ratings.empty());
  expect(data.times.empty() || data.times.size() == data.ratings.size());
  for (const thaw::Rating& r : data.ratings) {
    expect(r.user >= 0 && r.user < data.users.size() && r.item >= 0 && r.item < data.items.size());
    expect(std::isfinite(r.value) && r.value >= data.lowest && r.value <= data.highest);
  }
  check_entities(data.users);
  check_entities(data.items);
}

}  // namespace fuzz
