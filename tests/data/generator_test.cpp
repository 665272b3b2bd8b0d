#include "thaw/data/generator.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

namespace {

thaw::GeneratorOptions flat(double mean, double taste, double noise) {
  thaw::GeneratorOptions options;
  options.users = 3, options.items = 3, options.ratings = 9, options.fewest = 3;
  options.mean = mean, options.taste = taste, options.noise = noise;
  options.user_bias = options.item_bias = options.affinity = 0;
  return options;
}

}  // namespace

TEST_CASE("the planted mean is that of a rounded and clipped normal") {
  // From Python: sum of r * P(r), P from math.erf, for N(mean, hypot(taste, noise)).
  CHECK(std::abs(thaw::Generator(flat(3.4, 0.25, 0.45)).planted_mean(0, 1) - 3.3989766901423506) < 1e-12);
  CHECK(std::abs(thaw::Generator(flat(1.2, 0.3, 0.4)).planted_mean(0, 1) - 1.2789164182490524) < 1e-12);
  CHECK(std::abs(thaw::Generator(flat(5.3, 1.0, 2.0)).planted_mean(0, 1) - 4.279458613139617) < 1e-12);
  // Without any noise it is the rounded number itself.
  CHECK(thaw::Generator(flat(3.4, 0, 0)).planted_mean(0, 1) == 3.0);
  CHECK(thaw::Generator(flat(3.6, 0, 0)).planted_mean(0, 1) == 4.0);
  CHECK(thaw::Generator(flat(9.0, 0, 0)).planted_mean(0, 1) == 5.0);
}

TEST_CASE("drawn ratings have the planted mean at every level") {
  const thaw::Generator world;
  const thaw::Dataset data = world.generate();
  std::vector<double> sum(9, 0), squares(9, 0), count(9, 0);
  for (const thaw::Rating& r : data.ratings) {
    const double planted = world.planted_mean_with_taste(r.user, r.item);
    const auto level = static_cast<std::size_t>((planted - 1) * 2);
    const double residual = static_cast<double>(r.value) - planted;
    sum[level] += residual, squares[level] += residual * residual, ++count[level];
  }
  int levels = 0;
  for (std::size_t l = 0; l < 9; ++l) {
    if (count[l] < 100) continue;
    ++levels;
    CHECK(std::abs(sum[l]) < 4.5 * std::sqrt(squares[l]));
  }
  CHECK(levels >= 7);
}

TEST_CASE("the default world has the sizes, names and shape that the demo shows") {
  const thaw::GeneratorOptions options;
  const thaw::Dataset data = thaw::Generator(options).generate();
  CHECK(data.users.size() == 1200);
  CHECK(data.items.size() == 500);
  CHECK(data.ratings.size() == 45000);
  CHECK(data.users.attributes.size() == 4);
  CHECK(data.items.attributes.size() == 4);
  CHECK(data.items.title(0) != data.items.ids.text(0));
  CHECK(std::set<std::string>(data.items.titles.begin(), data.items.titles.end()).size() == 500);
  std::set<std::pair<std::int32_t, std::int32_t>> pairs;
  std::vector<int> of_user(1200, 0), of_item(500, 0);
  std::set<float> stars;
  for (const thaw::Rating& r : data.ratings) {
    pairs.emplace(r.user, r.item);
    ++of_user[static_cast<std::size_t>(r.user)], ++of_item[static_cast<std::size_t>(r.item)];
    stars.insert(r.value);
  }
  CHECK(pairs.size() == 45000);
  CHECK(stars == std::set<float>{1, 2, 3, 4, 5});
  for (std::vector<int>* counts : {&of_user, &of_item}) {
    std::sort(counts->begin(), counts->end());
    const std::size_t n = counts->size();
    CHECK((*counts)[0] >= options.fewest);
    CHECK((*counts)[n - n / 20] > 3 * (*counts)[n / 2]);  // a long tail: the top twentieth far above the median
  }
  for (const thaw::Entities* side : {&data.users, &data.items})
    for (const thaw::Attribute& attribute : side->attributes) {
      CHECK(attribute.offsets.size() == static_cast<std::size_t>(side->size()) + 1);
      for (std::int32_t e = 0; e < side->size(); ++e)
        if (attribute.of(e).empty()) CHECK(attribute.name == "given to every entity");
    }
  CHECK(data.items.attributes[0].ids.size() > 700);  // genres: several for most items
}

TEST_CASE("attributes carry what item means cannot") {
  const thaw::Generator world;
  const thaw::Dataset data = world.generate();
  std::vector<double> sum(500, 0), count(500, 0);
  for (const thaw::Rating& r : data.ratings)
    sum[static_cast<std::size_t>(r.item)] += static_cast<double>(r.value), ++count[static_cast<std::size_t>(r.item)];
  double item_mean = 0, planted = 0, with_taste = 0;
  for (const thaw::Rating& r : data.ratings) {
    const auto item = static_cast<std::size_t>(r.item);
    const auto squared = [&r](double guess) { return std::pow(static_cast<double>(r.value) - guess, 2); };
    item_mean += squared(sum[item] / count[item]);  // it has even seen this rating
    planted += squared(world.planted_mean(r.user, r.item));
    with_taste += squared(world.planted_mean_with_taste(r.user, r.item));
  }
  CHECK(planted < 0.4 * item_mean);
  CHECK(with_taste < 0.9 * planted);
}

TEST_CASE("the same seed gives the same world; who rated does not depend on what they felt") {
  const auto edges = [](const thaw::GeneratorOptions& options) {
    std::vector<std::pair<std::int32_t, std::int32_t>> list;
    for (const thaw::Rating& r : thaw::Generator(options).generate().ratings) list.emplace_back(r.user, r.item);
    return list;
  };
  const auto stars = [](const thaw::GeneratorOptions& options) {
    std::vector<float> list;
    for (const thaw::Rating& r : thaw::Generator(options).generate().ratings) list.push_back(r.value);
    return list;
  };
  thaw::GeneratorOptions options, other;
  options.users = other.users = 50, options.items = other.items = 40, options.ratings = other.ratings = 600;
  CHECK(stars(options) == stars(options));
  other.affinity = 2.0;
  CHECK(edges(options) == edges(other));
  CHECK(stars(options) != stars(other));
  other = options;
  other.seed = 2;
  CHECK(edges(options) != edges(other));
}

TEST_CASE("any number of ratings that fits is met exactly") {
  for (const std::int64_t ratings : {0, 1, 77, 399, 400}) {
    thaw::GeneratorOptions options;
    options.users = 20, options.items = 20, options.ratings = ratings, options.fewest = 0;
    CHECK(static_cast<std::int64_t>(thaw::Generator(options).generate().ratings.size()) == ratings);
  }
}
