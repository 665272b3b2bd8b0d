// libFuzzer target: any bytes are ratings or a fault, and what is read holds the promises of Dataset.
// Without zlib, because only text that is already in memory is parsed.
#define THAW_HAS_ZLIB 0

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "thaw/data/ratings_reader.hpp"

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

void check_attributes(const thaw::Entities& entities) {
  for (const thaw::Attribute& attribute : entities.attributes) {
    expect(attribute.offsets.size() == static_cast<std::size_t>(entities.size()) + 1);
    expect(static_cast<std::size_t>(attribute.offsets.back()) == attribute.ids.size());
    for (const std::int32_t id : attribute.ids) expect(id >= 0 && id < attribute.cardinality());
  }
  expect(entities.titles.empty() || entities.titles.size() == static_cast<std::size_t>(entities.size()));
}

}  // namespace

// The first byte chooses the options, the rest is the file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  thaw::RatingsOptions options;
  options.format = static_cast<thaw::RatingsFormat>(bytes[0] % 6);
  if ((bytes[0] & 0x40) != 0) options.duplicates = thaw::DuplicatePolicy::keep_last;
  if ((bytes[0] & 0x80) != 0) options.rating_when_absent = 1.0f;
  const auto result = thaw::parse_ratings(text, (bytes[0] & 0x20) != 0 ? "fuzz.csv" : "fuzz", options);
  if (result) {
    const thaw::Dataset& data = result.value();
    expect(!data.ratings.empty());
    expect(data.times.empty() || data.times.size() == data.ratings.size());
    for (const thaw::Rating& r : data.ratings) {
      expect(r.user >= 0 && r.user < data.users.size() && r.item >= 0 && r.item < data.items.size());
      expect(std::isfinite(r.value) && r.value >= data.lowest && r.value <= data.highest);
    }
  } else {
    expect(result.fault().size > 0);
  }
  thaw::Entities entities;
  entities.ids.add("1");
  if (thaw::parse_attributes(text, "fuzz.item", entities)) check_attributes(entities);
  return 0;
}
