// What readers of a data set's own files share: walking the records of a table, numbering listed ids, and carrying
// ratings over to the numbers of those lists.
//
//   auto done = thaw::detail::for_each_record(path, text, {.separator = "|"}, 5, [&](const thaw::DelimitedText& r)
//   {...});
//
// Everything is in detail: include a reader instead. Not for ratings in common forms: ratings_reader.hpp reads those.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/delimited_text.hpp"
#include "thaw/data/text_file.hpp"

namespace thaw::inline v0::detail {

// Calls `use(records)`, which returns Result<Done>, for each record of a UTF-8 text with the given number of columns.
// A header, where one is given, must be the first record.
template <class Use>
Result<Done> for_each_record(std::string_view path, std::string_view text, const DelimitedText::Options& layout,
                             std::size_t columns, std::string_view header, const Use& use) {
  const Result<std::string_view> checked = checked_utf8(text, path);
  if (!checked) return checked.fault();
  DelimitedText records(checked.value(), path, layout);
  bool is_header = !header.empty();
  std::int64_t count = 0;
  while (records.next()) {
    if (records.fields().size() != columns)
      return records.record_fault("expected ", columns, " columns separated by ",
                                  layout.separator == "\t" ? Quoted{"tab"} : Quoted{layout.separator}, ", found ",
                                  records.fields().size());
    if (is_header) {
      if (trimmed(records.fields()[0]) != header)
        return records.column_fault(0, "header", "expected a header that starts with ", Quoted{header}, ", found ",
                                    Quoted{records.fields()[0]});
      is_header = false;
      continue;
    }
    ++count;
    const Result<Done> used = use(static_cast<const DelimitedText&>(records));
    if (!used) return used.fault();
  }
  if (records.failed()) return records.fault();
  if (count == 0)
    return make_fault(FaultKind::malformed, shown_path(path), ": expected records, found none; is the file cut short?");
  return Done{};
}

// The same for a file; `latin1` texts are converted, copies that somebody converted before are taken as they are.
template <class Use>
Result<Done> for_each_record_of_file(const std::string& path, bool latin1, const DelimitedText::Options& layout,
                                     std::size_t columns, std::string_view header, const Use& use) {
  Result<std::string> text = read_text_file(path);
  if (!text) return text.fault();
  if (latin1 && find_invalid_utf8(text.value()) != std::string_view::npos)
    return for_each_record(path, latin1_to_utf8(text.value()), layout, columns, header, use);
  return for_each_record(path, text.value(), layout, columns, header, use);
}

// Numbers the id in the first column; it may be listed once.
inline Result<Done> list_id(const DelimitedText& records, Vocabulary& ids, std::string_view what) {
  const std::int32_t before = ids.size();
  const std::string_view id = trimmed(records.fields()[0]);
  if (!id.empty() && ids.add(id) == before) return Done{};
  return records.column_fault(0, what, "expected an id that is not listed above, found ", Quoted{id});
}

// One value, or none, for the next entity.
inline void append_value(Attribute& attribute, std::int32_t number) {
  if (number == Vocabulary::kUnknown)
    attribute.append({});
  else
    attribute.append({&number, 1});
}

// Age in the groups of MovieLens-1M; nothing for who cannot be that old.
inline constexpr std::string_view kAgeGroups[] = {"under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+"};
inline std::int32_t age_group(std::int64_t age) {
  if (age < 5 || age > 100) return Vocabulary::kUnknown;
  constexpr std::int64_t kFrom[] = {18, 25, 35, 45, 50, 56};
  std::int32_t group = 0;
  for (const std::int64_t from : kFrom) group += age >= from ? 1 : 0;
  return group;
}
inline Attribute age_attribute() {
  Attribute attribute;
  attribute.name = "age";
  for (const std::string_view group : kAgeGroups) attribute.values.add(group);
  return attribute;
}

// Moves ratings read from `path` to a data set whose users and items are listed in other files; each must be listed.
inline Result<Done> adopt_ratings(Dataset& rated, const std::string& path, std::string_view item_name, Dataset& data) {
  const auto numbers = [&](const Vocabulary& ids, const Vocabulary& list, std::string_view what,
                           std::vector<std::int32_t>& number) -> Result<Done> {
    for (const std::string& id : ids.texts()) {
      number.push_back(list.find(id));
      if (number.back() == Vocabulary::kUnknown)
        return make_fault(FaultKind::mismatch, shown_path(path), ": ", view_of(what), " ", Quoted{id},
                          " is not in the list of ", view_of(what), "s beside this file");
    }
    return Done{};
  };
  std::vector<std::int32_t> user, item;
  const Result<Done> users = numbers(rated.users.ids, data.users.ids, "user", user);
  if (!users) return users.fault();
  const Result<Done> items = numbers(rated.items.ids, data.items.ids, item_name, item);
  if (!items) return items.fault();
  for (std::size_t i = 0; i < rated.ratings.size(); ++i) {
    Rating rating = rated.ratings[i];
    rating.user = user[static_cast<std::size_t>(rating.user)];
    rating.item = item[static_cast<std::size_t>(rating.item)];
    data.ratings.push_back(rating);
  }
  data.times.insert(data.times.end(), rated.times.begin(), rated.times.end());
  return Done{};
}

// The folder without slashes at its end.
inline std::string plain_folder(std::string_view folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.remove_suffix(1);
  return std::string(folder);
}

}  // namespace thaw::inline v0::detail
