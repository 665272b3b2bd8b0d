// libFuzzer target: any bytes are a click log or a fault, and what is read holds the promises of Clicks, Entities and
// the split.
// Without zlib, because only text that is already in memory is parsed.
#define THAW_HAS_ZLIB 0

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "thaw/data/cikm2019.hpp"
#include "thaw/data/douban_book.hpp"
#include "thaw/data/taobao_clicks.hpp"
#include "thaw/data/warm_up_split.hpp"

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

void check_entities(const thaw::Entities& entities) {
  for (const thaw::Attribute& attribute : entities.attributes) {
    expect(attribute.offsets.size() == static_cast<std::size_t>(entities.size()) + 1);
    expect(static_cast<std::size_t>(attribute.offsets.back()) == attribute.ids.size());
    for (const std::int32_t id : attribute.ids) expect(id >= 0 && id < attribute.cardinality());
  }
}

void check_log(const thaw::ClickLog& log) {
  expect(thaw::check_clicks(log.clicks).ok());
  expect(log.clicks.user_count == log.users.size() && log.clicks.item_count == log.items.size());
  check_entities(log.users);
  check_entities(log.items);
  const auto split =
      thaw::split_warm_up(log.clicks, {.sizes = {.old_from = 5, .new_from = 3, .new_to = 4, .slice = 1}});
  if (!split) return;
  std::size_t listed = split.value().base.size() + static_cast<std::size_t>(split.value().left_out);
  for (const auto& slice : split.value().slices) listed += slice.size();
  expect(listed == static_cast<std::size_t>(log.clicks.size()));
}

}  // namespace

// The first byte chooses the reader; '|' separates the files.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1), texts[3];
  for (std::string_view& text : texts) {
    const std::size_t end = rest.find('|') == std::string_view::npos ? rest.size() : rest.find('|');
    text = rest.substr(0, end);
    rest.remove_prefix(end < rest.size() ? end + 1 : end);
  }
  if (bytes[0] % 3 == 0) {
    if (const auto set = thaw::parse_taobao_clicks(texts[0], texts[1], texts[2])) check_log(set.value().log);
  } else if (bytes[0] % 3 == 1) {
    if (const auto set = thaw::parse_cikm2019(texts[0], texts[1], texts[2])) check_log(set.value().log);
  } else if (const auto set = thaw::parse_douban_ratings(texts[0])) {
    for (const thaw::Rating& rating : set.value().data.ratings) expect(rating.value >= 1 && rating.value <= 5);
    if (const auto pairs = thaw::detail::parse_pairs(texts[1], "pairs", "author", set.value().data.items))
      expect(pairs.value().offsets.size() == static_cast<std::size_t>(set.value().data.items.size()) + 1);
  }
  return 0;
}
