// A made-up rating world with planted structure: what the demo trains on, and a ruler with a known best value.
//
//   thaw::Generator world({.seed = 3});
//   thaw::Dataset data = world.generate();
//   double best = world.planted_mean(user, item);   // E[rating | attributes, biases]: no model can know more
//
// A rating is the rounded and clipped sum of a mean, a bias of the user, a bias of the item, how the user's attribute
// values and the item's go together, a small personal taste, and noise. Who rated what depends on activity and
// popularity alone, never on the rating. Not a copy of any real data set.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/data/dataset.hpp"

namespace thaw::inline v0 {

struct GeneratorOptions {
  std::int32_t users = 1200;
  std::int32_t items = 500;
  std::int64_t ratings = 45000;
  std::uint64_t seed = 1;
  double mean = 3.4;
  double user_bias = 0.30;  // standard deviations, in stars
  double item_bias = 0.30;
  double affinity = 0.85;  // of all attribute pairs together
  double taste = 0.25;     // personal, not explained by any attribute
  double noise = 0.45;
  double activity_power = 0.7;    // ratings of the n-th most active user fall like n^-power
  double popularity_power = 0.7;  // and so do those of the n-th most popular item
  std::int32_t fewest = 4;        // ratings of a user
};

namespace detail {

struct PlantedAttribute {
  std::string_view name;
  std::vector<std::string_view> values;
  std::int32_t most;  // values of one entity
  double weight;      // share in the affinity; 0: pure noise
};

inline std::vector<PlantedAttribute> planted_user_attributes() {
  return {{"age group", {"under 18", "18-24", "25-34", "35-49", "50-64", "65 and over"}, 1, 1.0},
          {"household", {"alone", "couple", "young children", "teenagers", "shared flat"}, 1, 0.8},
          {"region", {"north coast", "lakes", "capital", "hill country", "islands", "border towns"}, 1, 0.0},
          {"favourite device", {"phone", "tablet", "laptop", "television"}, 1, 0.5}};
}

inline std::vector<PlantedAttribute> planted_item_attributes() {
  return {
      {"genre",
       {"adventure", "comedy", "crime", "documentary", "drama", "fantasy", "history", "music", "mystery", "romance",
        "science fiction", "sport"},
       3,
       1.0},
      {"mood", {"dark", "hopeful", "playful", "quiet", "tense", "warm"}, 1, 0.8},
      {"era", {"classic", "seventies", "eighties", "nineties", "recent"}, 1, 0.4},
      {"publisher", {"Alder House", "Bright Reel", "Copper Lane", "Dune Works", "Elm and Sons", "Foxglove"}, 1, 0.0}};
}

inline std::string planted_title(Philox& rng) {
  static constexpr std::string_view kFirst[] = {"Amber",  "Borrowed", "Crooked", "Distant", "Electric", "Falling",
                                                "Gentle", "Hidden",   "Iron",    "Lonely",  "Midnight", "Northern",
                                                "Paper",  "Restless", "Second",  "Silent",  "Sunken",   "Velvet"};
  static constexpr std::string_view kSecond[] = {"Archive", "Bridge",  "Carnival", "Detective", "Engine", "Garden",
                                                 "Harbour", "Journey", "Kingdom",  "Lantern",   "Mirror", "Orchard",
                                                 "Promise", "River",   "Signal",   "Summer",    "Voyage", "Winter"};
  static constexpr std::string_view kThird[] = {"",           " of Glass",    " Beyond the Hill",
                                                " for Two",   " Street",      " in August",
                                                " and Ashes", " Without End", " Number Nine"};
  const auto pick = [&rng](const auto& words) {
    return words[rng.below(static_cast<std::uint32_t>(std::size(words)))];
  };
  std::string title("The ");
  title.append(pick(kFirst)).append(" ").append(pick(kSecond)).append(pick(kThird));
  return title;
}

inline double normal_below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

}  // namespace detail

class Generator {
 public:
  // Fixes the world: entities, attributes, biases and tastes. Sizes that cannot hold the ratings are programmer errors.
  explicit Generator(const GeneratorOptions& options = {}) : options_(options) {
    const std::int64_t most = std::int64_t{options.users} * options.items;
    require(options.users > 0 && options.items > 0 && options.fewest >= 0 && options.fewest <= options.items &&
                options.ratings <= most && options.ratings >= std::int64_t{options.users} * options.fewest,
            "Generator: ", options.ratings, " ratings do not fit ", options.users, " users with at least ",
            options.fewest, " of ", options.items, " items each");
    make_entities(users_, options.users, detail::planted_user_attributes(), stream(kUserAttributes));
    make_entities(items_, options.items, detail::planted_item_attributes(), stream(kItemAttributes));
    name_entities();
    make_affinity();
    user_bias_ = normals(static_cast<std::size_t>(options.users), options.user_bias, stream(kUserBias));
    item_bias_ = normals(static_cast<std::size_t>(options.items), options.item_bias, stream(kItemBias));
    make_taste();
  }

  // Draws who rated what, and the ratings. The same options give the same data.
  Dataset generate() const {
    Dataset data;
    data.name = "planted";
    data.users = users_;
    data.items = items_;
    const std::vector<std::int32_t> counts = activity();
    const std::vector<double> weights = popularity();
    for (std::int32_t user = 0; user < options_.users; ++user)
      for (const std::int32_t item : choose(user, counts[static_cast<std::size_t>(user)], weights)) {
        Philox rng(stream(kNoise).fold(static_cast<std::uint64_t>(user)).fold(static_cast<std::uint64_t>(item)));
        const double felt = centre(user, item) + taste(user, item) + options_.noise * rng.normal();
        data.ratings.push_back({user, item, static_cast<float>((std::clamp)(std::floor(felt + 0.5), 1.0, 5.0))});
      }
    return data;
  }

  // E[rating | attributes of both, biases of both], rounding and clipping included: taste and noise together are normal
  // with a known spread, so the chance of each star is a difference of two normal distribution functions.
  double planted_mean(std::int32_t user, std::int32_t item) const {
    return rounded_mean(centre(user, item), std::hypot(options_.taste, options_.noise));
  }

  // The same, for who knows the personal taste as well: the best possible prediction.
  double planted_mean_with_taste(std::int32_t user, std::int32_t item) const {
    return rounded_mean(centre(user, item) + taste(user, item), options_.noise);
  }

 private:
  enum Stream : std::uint64_t {
    kUserAttributes,
    kItemAttributes,
    kTitles,
    kAffinity,
    kUserBias,
    kItemBias,
    kUserTaste,
    kItemTaste,
    kActivity,
    kPopularity,
    kChoice,
    kNoise
  };
  static constexpr std::size_t kTasteWidth = 8;
  using Taste = std::array<double, kTasteWidth>;

  Key stream(Stream which) const { return Key{options_.seed}.fold(which); }

  static double rounded_mean(double centre, double spread) {
    double mean = 1;
    for (int star = 2; star <= 5; ++star) {
      const double edge = star - 0.5;
      mean += spread > 0 ? detail::normal_below((centre - edge) / spread) : centre >= edge ? 1.0 : 0.0;
    }
    return mean;
  }

  static std::vector<double> normals(std::size_t count, double spread, Key key) {
    Philox rng(key);
    std::vector<double> values(count);
    for (double& value : values) value = spread * rng.normal();
    return values;
  }

  static void make_entities(Entities& entities, std::int32_t count, const std::vector<detail::PlantedAttribute>& plan,
                            Key key) {
    for (std::size_t a = 0; a < plan.size(); ++a) {
      Attribute& attribute = entities.attributes.emplace_back();
      attribute.name = std::string(plan[a].name);
      for (const std::string_view value : plan[a].values) attribute.values.add(value);
      Philox rng(key.fold(a));
      for (std::int32_t e = 0; e < count; ++e) {
        std::vector<std::int32_t> numbers(1 + rng.below(static_cast<std::uint32_t>(plan[a].most)));
        for (std::int32_t& number : numbers)
          number = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(plan[a].values.size())));
        attribute.append(numbers);
      }
    }
  }

  void name_entities() {
    for (std::int32_t u = 0; u < options_.users; ++u) users_.ids.add("u" + std::to_string(u + 1));
    Vocabulary titles;
    for (std::int32_t i = 0; i < options_.items; ++i) {
      items_.ids.add("i" + std::to_string(i + 1));
      Philox rng(stream(kTitles).fold(static_cast<std::uint64_t>(i)));
      std::string title = detail::planted_title(rng);
      for (int part = 2; titles.find(title) != Vocabulary::kUnknown; ++part) {
        title = title.substr(0, title.find(", part ")) + ", part " + std::to_string(part);
      }
      titles.add(title);
    }
    items_.titles = titles.texts();
  }

  // One table (user values x item values) for each pair of attributes that matter, each with row and column means of
  // zero, so that no part of the affinity hides in a bias. Scaled to the promised spread over all pairs.
  void make_affinity() {
    const auto user_plan = detail::planted_user_attributes();
    const auto item_plan = detail::planted_item_attributes();
    double sum_of_squares = 0;
    for (std::size_t a = 0; a < user_plan.size(); ++a)
      for (std::size_t b = 0; b < item_plan.size(); ++b) {
        const double weight = user_plan[a].weight * item_plan[b].weight;
        if (weight == 0) continue;
        Table& table = tables_.emplace_back();
        table.user_attribute = a;
        table.item_attribute = b;
        table.columns = item_plan[b].values.size();
        table.cells = normals(user_plan[a].values.size() * table.columns, weight, stream(kAffinity).fold(a).fold(b));
        centre_table(table);
      }
    for (std::int32_t u = 0; u < options_.users; ++u)
      for (std::int32_t i = 0; i < options_.items; ++i) sum_of_squares += affinity(u, i) * affinity(u, i);
    const double pairs = static_cast<double>(options_.users) * static_cast<double>(options_.items);
    const double scale = sum_of_squares > 0 ? options_.affinity / std::sqrt(sum_of_squares / pairs) : 0;
    for (Table& table : tables_)
      for (double& cell : table.cells) cell *= scale;
  }

  struct Table {
    std::size_t user_attribute = 0, item_attribute = 0, columns = 0;
    std::vector<double> cells;  // (user values, item values)
  };

  static void centre_table(Table& table) {
    const std::size_t rows = table.cells.size() / table.columns;
    for (std::size_t r = 0; r < rows; ++r) {
      double mean = 0;
      for (std::size_t c = 0; c < table.columns; ++c) mean += table.cells[r * table.columns + c];
      for (std::size_t c = 0; c < table.columns; ++c)
        table.cells[r * table.columns + c] -= mean / static_cast<double>(table.columns);
    }
    for (std::size_t c = 0; c < table.columns; ++c) {
      double mean = 0;
      for (std::size_t r = 0; r < rows; ++r) mean += table.cells[r * table.columns + c];
      for (std::size_t r = 0; r < rows; ++r) table.cells[r * table.columns + c] -= mean / static_cast<double>(rows);
    }
  }

  // Mean over the item's values, where it has several.
  double affinity(std::int32_t user, std::int32_t item) const {
    double sum = 0;
    for (const Table& table : tables_) {
      const auto row = static_cast<std::size_t>(users_.attributes[table.user_attribute].of(user)[0]);
      const auto values = items_.attributes[table.item_attribute].of(item);
      double part = 0;
      for (const std::int32_t value : values)
        part += table.cells[row * table.columns + static_cast<std::size_t>(value)];
      sum += part / static_cast<double>(values.size());
    }
    return sum;
  }

  double centre(std::int32_t user, std::int32_t item) const {
    return options_.mean + user_bias_[static_cast<std::size_t>(user)] + item_bias_[static_cast<std::size_t>(item)] +
           affinity(user, item);
  }

  // Item directions have length one, so that a user's taste for any item is normal with spread `taste`.
  void make_taste() {
    const auto fill = [](std::vector<Taste>& tastes, std::size_t count, Key key, bool unit) {
      Philox rng(key);
      tastes.resize(count);
      for (Taste& taste : tastes) {
        double squares = 0;
        for (double& value : taste) value = rng.normal(), squares += value * value;
        if (unit)
          for (double& value : taste) value /= std::sqrt(squares);
      }
    };
    fill(user_taste_, static_cast<std::size_t>(options_.users), stream(kUserTaste), false);
    fill(item_taste_, static_cast<std::size_t>(options_.items), stream(kItemTaste), true);
  }

  double taste(std::int32_t user, std::int32_t item) const {
    const Taste& a = user_taste_[static_cast<std::size_t>(user)];
    const Taste& b = item_taste_[static_cast<std::size_t>(item)];
    double sum = 0;
    for (std::size_t k = 0; k < kTasteWidth; ++k) sum += a[k] * b[k];
    return options_.taste * sum;
  }

  // A random order of 0 .. count-1: who is the n-th most active or popular.
  static std::vector<std::int32_t> ranks(std::int32_t count, Key key) {
    std::vector<std::int32_t> order;
    for (std::int32_t i = 0; i < count; ++i) order.push_back(i);
    Philox rng(key);
    rng.shuffle(order);
    return order;
  }

  // Nobody knows every item: three fifths of them, or more where the ratings asked for do not fit otherwise.
  std::int32_t most_rated() const {
    const std::int64_t average = (options_.ratings + options_.users - 1) / options_.users;
    return static_cast<std::int32_t>(
        (std::max)({std::int64_t{options_.items} * 3 / 5, average, std::int64_t{options_.fewest}}));
  }

  // How many items each user rates: a power law between `fewest` and the most that adds up to the ratings asked for.
  std::vector<std::int32_t> activity() const {
    const std::vector<std::int32_t> rank = ranks(options_.users, stream(kActivity));
    std::vector<std::int32_t> counts(rank.size());
    const auto fill = [&](double scale) {
      std::int64_t total = 0;
      for (std::size_t u = 0; u < rank.size(); ++u) {
        const double wish = scale * std::pow(1.0 + rank[u], -options_.activity_power);
        counts[u] = static_cast<std::int32_t>(
            (std::clamp)(wish, static_cast<double>(options_.fewest), static_cast<double>(most_rated())));
        total += counts[u];
      }
      return total;
    };
    double low = 0, high = 1;
    while (fill(high) < options_.ratings && high < 1e15) high *= 2;
    for (int step = 0; step < 100; ++step) {
      const double middle = (low + high) / 2;
      (fill(middle) <= options_.ratings ? low : high) = middle;
    }
    std::int64_t missing = options_.ratings - fill(low);
    for (std::size_t u = 0; missing > 0; u = (u + 1) % counts.size())
      if (counts[u] < most_rated()) ++counts[u], --missing;
    return counts;
  }

  std::vector<double> popularity() const {
    std::vector<double> weights;
    for (const std::int32_t rank : ranks(options_.items, stream(kPopularity)))
      weights.push_back(std::pow(1.0 + rank, -options_.popularity_power));
    return weights;
  }

  // `count` different items, each draw in proportion to popularity: the smallest of exponential waiting times.
  std::vector<std::int32_t> choose(std::int32_t user, std::int32_t count, const std::vector<double>& weights) const {
    Philox rng(stream(kChoice).fold(static_cast<std::uint64_t>(user)));
    std::vector<std::pair<double, std::int32_t>> waits;
    for (std::size_t i = 0; i < weights.size(); ++i)
      waits.emplace_back(-std::log(1.0 - rng.uniform()) / weights[i], static_cast<std::int32_t>(i));
    std::sort(waits.begin(), waits.end());
    std::vector<std::int32_t> items;
    for (std::int32_t i = 0; i < count; ++i) items.push_back(waits[static_cast<std::size_t>(i)].second);
    return items;
  }

  GeneratorOptions options_;
  Entities users_, items_;
  std::vector<Table> tables_;
  std::vector<double> user_bias_, item_bias_;
  std::vector<Taste> user_taste_, item_taste_;
};

}  // namespace thaw::inline v0
