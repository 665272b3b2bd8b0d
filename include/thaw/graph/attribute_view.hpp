// AttributeView: one categorical attribute of all users or all items, seen without owning it.
//
//   const thaw::Attribute& genre = dataset.items.attributes[1];
//   const thaw::AttributeView view{genre.offsets, genre.ids, genre.values.size()};
//   for (std::int32_t value : view.of(item)) use(value);
//
// Entity e has the values ids[offsets[e] .. offsets[e + 1]); none, one or several. Not a copy: the data must outlive
// it.
#pragma once

#include <cstdint>
#include <span>

#include "thaw/core/config.hpp"

namespace thaw::inline v0 {

struct AttributeView {
  std::span<const std::int32_t> offsets;  // (entities + 1)
  std::span<const std::int32_t> ids;      // value numbers, 0 <= id < cardinality
  std::int32_t cardinality = 0;

  std::int32_t size() const { return static_cast<std::int32_t>(offsets.empty() ? 0 : offsets.size() - 1); }
  std::span<const std::int32_t> of(std::int32_t entity) const {
    const auto begin = static_cast<std::size_t>(offsets[static_cast<std::size_t>(entity)]);
    const auto end = static_cast<std::size_t>(offsets[static_cast<std::size_t>(entity) + 1]);
    return ids.subspan(begin, end - begin);
  }
};

}  // namespace thaw::inline v0
