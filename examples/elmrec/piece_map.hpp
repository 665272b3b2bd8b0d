// PieceMap: the pieces that prompts and answers can hold, numbered anew: a small model needs no table of 32,128 rows.
//
//   const elmrec::PieceMap map(tokenizer, data.users(), data.items, /*short_items*/ true);
//   map.small(586);  map.size();
//
// 0 padding, 1 end and 2 unknown stay. Whatever is met later and is not here becomes unknown. Not for a T5 with
// published weights: that keeps its own ids.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "elmrec/prompts.hpp"

namespace elmrec {

class PieceMap {
 public:
  PieceMap(const TextTokenizer& tokenizer, std::int32_t users, std::int32_t items, bool short_items)
      : small_(static_cast<std::size_t>(tokenizer.vocabulary()), -1) {
    for (std::int32_t special = 0; special <= kUnknown; ++special) small_[static_cast<std::size_t>(special)] = size_++;
    const auto meet = [&](const std::string& text) {
      for (const std::int32_t id : tokenizer.encode(text).ids)
        if (small_[static_cast<std::size_t>(id)] < 0) small_[static_cast<std::size_t>(id)] = size_++;
    };
    for (const Task task : {Task::sequential, Task::direct})
      for (const std::string_view text : templates(task)) meet(std::string(text));
    for (std::int32_t n = 1; n <= users; ++n) meet("user_" + std::to_string(n));
    for (std::int32_t n = 1; n <= items; ++n)
      meet((short_items ? "" : "item_" + std::to_string(n) + " ") + std::to_string(n));
  }
  std::int32_t size() const { return size_; }
  std::int32_t small(std::int32_t id) const {
    const std::int32_t to = small_[static_cast<std::size_t>(id)];
    return to < 0 ? kUnknown : to;
  }
  std::vector<std::int32_t> small(std::vector<std::int32_t> ids) const {
    for (std::int32_t& id : ids) id = small(id);
    return ids;
  }

 private:
  static constexpr std::int32_t kUnknown = 2;
  std::vector<std::int32_t> small_;  // (vocabulary), -1 for pieces that cannot occur
  std::int32_t size_ = 0;
};

}  // namespace elmrec
