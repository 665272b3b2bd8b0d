#include "thaw/graph/attribute_profiles.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "thaw/core/random.hpp"

namespace {

// Four films. Genre (3 values): {0,1} {0} {1} {}. Director (2 values): 0, 0, 1, none.
const std::vector<std::int32_t> kGenreOffsets{0, 2, 3, 4, 4}, kGenres{1, 0, 0, 1};
const std::vector<std::int32_t> kDirectorOffsets{0, 1, 2, 3, 3}, kDirectors{0, 0, 1};
const std::vector<thaw::AttributeView> kFilms{{kGenreOffsets, kGenres, 3}, {kDirectorOffsets, kDirectors, 2}};

TEST_CASE("AttributeProfiles: cosine of multi-hot vectors by hand") {
  const thaw::AttributeProfiles films(kFilms, thaw::ValueWeight::equal);
  CHECK(films.size() == 4);
  CHECK(films.similarity(0, 0) == doctest::Approx(1.0));
  CHECK(films.similarity(0, 1) == doctest::Approx(2 / std::sqrt(3.0 * 2.0)));  // genre 0 and the director
  CHECK(films.similarity(0, 2) == doctest::Approx(1 / std::sqrt(3.0 * 2.0)));  // genre 1
  CHECK(films.similarity(1, 2) == 0.0f);
  CHECK(films.similarity(3, 3) == 0.0f);
}

TEST_CASE("AttributeProfiles: rare values weigh more") {
  const thaw::AttributeProfiles films(kFilms, thaw::ValueWeight::rarity);
  // Of four films, two have genre 0, two genre 1, two director 0 and one director 1.
  const double two = std::log(2.0), one = std::log(4.0);
  CHECK(films.similarity(0, 1) == doctest::Approx(2 * two * two / (std::sqrt(3.0) * two * std::sqrt(2.0) * two)));
  CHECK(films.similarity(0, 2) == doctest::Approx(two * two / (std::sqrt(3.0) * two * std::hypot(two, one))));
}

TEST_CASE("AttributeProfiles: the inverted index agrees with pairs") {
  thaw::Philox rng(1);
  std::vector<std::int32_t> offsets{0}, ids;
  for (int entity = 0; entity < 60; ++entity) {
    for (int value = 0; value < 12; ++value)
      if (rng.below(4) == 0) ids.push_back(value);
    offsets.push_back(std::int32_t(ids.size()));
  }
  const std::vector<thaw::AttributeView> attributes{{offsets, ids, 12}};
  const thaw::AttributeProfiles profiles(attributes, thaw::ValueWeight::rarity);
  std::vector<float> all(60);
  for (std::int32_t a = 0; a < 60; ++a) {
    profiles.similarities(a, all);
    for (std::int32_t b = 0; b < 60; ++b) {
      CHECK(all[std::size_t(b)] == doctest::Approx(profiles.similarity(a, b)).epsilon(1e-5));
      CHECK(profiles.similarity(a, b) == doctest::Approx(profiles.similarity(b, a)).epsilon(1e-5));
    }
  }
  CHECK(thaw::AttributeProfiles({}, thaw::ValueWeight::equal).size() == 0);
}

}  // namespace
