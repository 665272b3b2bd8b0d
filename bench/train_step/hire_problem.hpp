// Random contexts of MovieLens-1M's shape for the timing of HIRE: attribute sizes, list lengths and shares of observed
// ratings are the data set's, the values are drawn.
//
//   bench::HireProblem problem(/*contexts*/ 8);
//   hire::Trainer trainer(problem.plan(recipe), recipe, /*threads*/ 2);
//   trainer.step(problem.packer);
#pragma once

#include "hire/trainer.hpp"
#include "thaw/core/random.hpp"

namespace bench {

struct HireProblem {
  static constexpr std::int32_t kEntities = 512;
  static constexpr std::size_t kUsers = 32, kItems = 32;

  thaw::Dataset data;
  hire::ContextPacker packer;
  std::size_t contexts;

  explicit HireProblem(std::size_t count, std::uint64_t seed = 1)
      : data(make_data(seed)), packer(data), contexts(count) {
    thaw::Philox rng(seed, 1);
    const auto below = [&](std::int32_t n) {
      return static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(n)));
    };
    for (std::size_t c = 0; c < count; ++c) {
      thaw::Context context;
      for (std::size_t u = 0; u < kUsers; ++u) context.users.push_back(below(kEntities));
      for (std::size_t i = 0; i < kItems; ++i) context.items.push_back(below(kEntities));
      thaw::ContextCells cells;
      float observed = 0;
      for (std::size_t k = 0; k < kUsers * kItems; ++k) {
        const bool is_observed = rng.uniform() < 0.68;
        const bool is_shown = k % kItems == 12 || k % kItems == 24 || k % kItems == 31;
        cells.rating.push_back(is_observed ? static_cast<float>(1 + below(5)) : 0.0F);
        cells.observed.push_back(is_observed);
        cells.visible.push_back(is_observed && is_shown);
        observed += is_observed;
      }
      packer.add(context, cells);
      packer.add_targets(cells, 1.0 / static_cast<double>(observed), [&](std::size_t k) { return cells.observed[k]; });
    }
  }
  hire::Trainer::Plan plan(const hire::Recipe& recipe) const { return hire::plan_for(data, packer.levels(), recipe); }
  // Operations of one forward pass as the mathematics counts them; a training step needs three times as many.
  double forward_flop() const { return 3 * (2 * wide(cells()) + narrow(cells())) + 2 * cells() * kWidth; }
  // The same for the ratings of one user of each context: in the last block only keys and values need every cell.
  double target_flop() const {
    const double row = static_cast<double>(contexts * kItems);
    const double keys = (cells() - row) * 4 * kWidth * kWidth;
    return 2 * (2 * wide(cells()) + narrow(cells())) + wide(cells()) + wide(row) + keys + narrow(row) +
           2 * row * kWidth;
  }

 private:
  static constexpr double kWidth = 144, kSlotWidth = 16, kSlots = 9;

  double cells() const { return static_cast<double>(contexts * kUsers * kItems); }
  // One layer over users or items, and one over attributes, for so many cells.
  static double wide(double cells) { return cells * (26 * kWidth * kWidth + 4 * static_cast<double>(kUsers) * kWidth); }
  static double narrow(double cells) {
    return cells * kSlots * (26 * kSlotWidth * kSlotWidth + 4 * kSlots * kSlotWidth);
  }

  struct Kind {
    const char* name;
    std::int32_t size, most;  // rows of its table, values that one entity may have
  };
  static thaw::Dataset make_data(std::uint64_t seed) {
    thaw::Dataset data;
    thaw::Philox rng(seed, 0);
    const auto below = [&](std::int32_t n) {
      return static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(n)));
    };
    const Kind of_users[] = {{"gender", 2, 1}, {"age", 7, 1}, {"occupation", 21, 1}, {"zip", 3402, 1}};
    const Kind of_items[] = {{"rate", 6, 1}, {"genre", 25, 4}, {"director", 2186, 1}, {"actor", 8030, 4}};
    const auto fill = [&](thaw::Entities& side, const Kind(&kinds)[4]) {
      for (std::int32_t e = 0; e < kEntities; ++e) side.ids.add(std::to_string(e));
      for (const Kind& kind : kinds) {
        thaw::Attribute a;
        a.name = kind.name;
        a.declared_size = kind.size;
        for (std::int32_t e = 0; e < kEntities; ++e) {
          // Actors are nearly always four; the mean of the genres is two and a half.
          const auto count = kind.size == 8030 ? 4 : 1 + below(kind.most);
          std::vector<std::int32_t> values;
          for (std::int32_t k = 0; k < count; ++k) values.push_back(below(kind.size));
          a.append(values);
        }
        side.attributes.push_back(std::move(a));
      }
    };
    fill(data.users, of_users);
    fill(data.items, of_items);
    for (std::int32_t r = 0; r < 5; ++r) data.ratings.push_back({r, r, static_cast<float>(1 + r)});
    return data;
  }
};

}  // namespace bench
