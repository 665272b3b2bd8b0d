// libFuzzer target: any bytes are ratings or a fault, and what is read holds the promises of Dataset.
// Without zlib, because only text that is already in memory is parsed.
#define THAW_HAS_ZLIB 0

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "promises.hpp"
#include "thaw/data/ratings_reader.hpp"

// The first byte chooses the options, the rest is the file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  thaw::RatingsOptions options;
  options.format = static_cast<thaw::RatingsFormat>(bytes[0] % 6);
  if ((bytes[0] & 0x40) != 0) options.duplicates = thaw::DuplicatePolicy::keep_last;
  if ((bytes[0] & 0x80) != 0) options.rating_when_absent = 1.0f;
  const auto result = thaw::parse_ratings(text, (bytes[0] & 0x20) != 0 ? "fuzz.csv" : "fuzz", options);
  if (result)
    fuzz::check_dataset(result.value());
  else
    fuzz::expect(result.fault().size > 0);
  thaw::Entities entities;
  entities.ids.add("1");
  if (thaw::parse_attributes(text, "fuzz.item", entities)) fuzz::check_entities(entities);
  thaw::Entities untyped;
  untyped.ids.add("1");
  if (thaw::parse_attributes(text, "fuzz.csv", untyped)) fuzz::check_entities(untyped);
  return 0;
}
