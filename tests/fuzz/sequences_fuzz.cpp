// libFuzzer target: any bytes are sequences of what users of a small data set rated, or a fault.
#define THAW_HAS_ZLIB 0

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "promises.hpp"
#include "thaw/data/histories.hpp"
#include "thaw/data/ratings_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const auto kRead = thaw::parse_ratings("7,10,5\n7,20,4\n8,10,3\n8,30,2\n7,30,1\n9,10,5\n", "ratings.csv", {});
  fuzz::expect(kRead.ok());
  const thaw::Dataset& data = kRead.value();
  const auto result = thaw::parse_sequences({reinterpret_cast<const char*>(bytes), size}, "fuzz.txt", data);
  if (!result) {
    fuzz::expect(result.fault().size > 0);
    return 0;
  }
  const thaw::Histories& histories = result.value();
  fuzz::expect(histories.users() == data.users.size() && histories.items.size() == histories.ratings.size());
  const thaw::Csr rated = thaw::Csr::from_ratings(data.ratings, data.users.size(), thaw::Csr::Side::user);
  for (std::int32_t user = 0; user < histories.users(); ++user) {
    const auto view = histories.of(user);
    for (std::size_t i = 0; i < view.items.size(); ++i) {
      const float* value = rated.find(user, view.items[i]);
      fuzz::expect(value != nullptr && *value == view.ratings[i]);
      for (std::size_t k = 0; k < i; ++k) fuzz::expect(view.items[k] != view.items[i]);
    }
  }
  return 0;
}
