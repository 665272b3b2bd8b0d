// Affinities against means computed by hand.
#include <doctest/doctest.h>

#include <cmath>

#include "../../examples/hire/affinity.hpp"

namespace {

// Three users (two share a value), two items, one attribute a side; all biases zero around a mean of 3.
struct World {
  thaw::Dataset data;
  thaw::RatingGraph visible;
  thaw::RatingBiases biases{3, {0, 0, 0, 0}, {0, 0, 0}};

  World() {
    for (const char* id : {"a", "b", "c", "d"}) data.users.ids.add(id);
    for (const char* id : {"x", "y", "z"}) data.items.ids.add(id);
    const auto attribute = [](const char* name, std::initializer_list<std::int32_t> values, int cardinality) {
      thaw::Attribute out;
      out.name = name;
      for (const std::int32_t v : values) out.append(std::span(&v, 1));
      out.declared_size = cardinality;
      return out;
    };
    data.users.attributes.push_back(attribute("age", {0, 0, 1, 0}, 2));
    data.items.attributes.push_back(attribute("genre", {0, 1, 1}, 2));
    const thaw::Rating ratings[] = {{0, 0, 5}, {1, 0, 4}, {2, 0, 1}, {0, 1, 2}};
    visible = thaw::RatingGraph::from_ratings(ratings, 4, 3);
  }
};

}  // namespace

TEST_CASE("affinities are the shrunken means that they are said to be") {
  const World w;
  const hire::Affinities affinities(w.data, w.visible, w.biases, 1);
  CHECK(affinities.count() == 5);
  float n[hire::Affinities::kMost] = {};
  affinities.read(3, 0, n);  // d has no ratings; a and b share her value and rated x with residuals 2 and 1
  CHECK(std::abs(n[0] - 3.0F / (2 + 10)) < 1e-6F);
  CHECK(n[1] == 0);                                 // she rated nothing of the genre
  CHECK(std::abs(n[2] - 3.0F / (2 + 50)) < 1e-6F);  // all ratings between such users and such items
  CHECK(n[4] == 0);
  affinities.read(0, 2, n);  // nobody rated z; a rated y of the same genre with residual -1
  CHECK(n[0] == 0);
  CHECK(std::abs(n[1] + 1.0F / (1 + 5)) < 1e-6F);
}

TEST_CASE("rare values say nothing") {
  const World w;
  const hire::Affinities affinities(w.data, w.visible, w.biases, 2);  // the second age has one user with ratings
  float n[hire::Affinities::kMost] = {};
  affinities.read(2, 0, n);
  CHECK(n[0] == 0);
}
