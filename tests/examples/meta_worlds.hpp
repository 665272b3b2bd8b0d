// What the tests of the trainer of meta-learners share: a world of four tastes, and learners that are told what to say.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hyperrs/experiment.hpp"

namespace meta_worlds {

// Users and items fall into four groups; of a user's 20 records 18 are items of her own group, so that the popularity
// of an item says little and two records say nearly all. Ratings: 5 in the own group, 2 outside.
inline thaw::Result<hyperrs::Task> four_tastes(hyperrs::Objective objective, std::int32_t users = 160,
                                               std::int32_t items = 120, double cold_items = 0.2) {
  hyperrs::Task task;
  task.name = "four tastes";
  thaw::Attribute& group = task.data.items.attributes.emplace_back();
  group.name = "group";
  for (int g = 0; g < 4; ++g) group.values.add("g" + std::to_string(g));
  for (std::int32_t i = 0; i < items; ++i) {
    task.data.items.ids.add("i" + std::to_string(i));
    const std::int32_t own[] = {i % 4};
    group.append(own);
  }
  for (std::int32_t u = 0; u < users; ++u) {
    task.data.users.ids.add("u" + std::to_string(u));
    thaw::Philox rng(7, static_cast<std::uint64_t>(u));
    std::vector<std::int32_t> inside, outside;
    for (std::int32_t i = 0; i < items; ++i) (i % 4 == u % 4 ? inside : outside).push_back(i);
    rng.shuffle(inside), rng.shuffle(outside);
    for (std::size_t k = 0; k < 18; ++k) task.data.ratings.push_back({u, inside[k], 5});
    for (std::size_t k = 0; k < 2; ++k) task.data.ratings.push_back({u, outside[k], 2});
  }
  const auto split = hyperrs::detail::order_and_split(task, {.cold_items = cold_items, .objective = objective});
  if (!split) return split.fault();
  return task;
}

// Scores item i as say(user, i), whatever the support; counts its training.
class ToldLearner : public hyperrs::Learner {
 public:
  using Say = std::function<float(const ToldLearner&, std::int32_t, std::int32_t)>;
  explicit ToldLearner(Say say) : say_(std::move(say)) {}
  std::int64_t parameter_count() const override { return 1; }
  double train(std::span<const thaw::Episode> batch) override {
    ++trained;
    users += batch.size();
    return 1.0 / trained;
  }
  std::unique_ptr<hyperrs::Adapted> adapt(std::int32_t user, const thaw::Episode::Part&, int) const override {
    class Scores : public hyperrs::Adapted {
     public:
      Scores(const ToldLearner& from, std::int32_t user) : from_(from), user_(user) {}
      void score(std::span<const std::int32_t> items, std::span<float> out) const override {
        for (std::size_t i = 0; i < items.size(); ++i) out[i] = from_.say_(from_, user_, items[i]);
      }

     private:
      const ToldLearner& from_;
      std::int32_t user_;
    };
    return std::make_unique<Scores>(*this, user);
  }

  int trained = 0;
  std::size_t users = 0;

 private:
  Say say_;
};

inline hyperrs::Watch nobody_watches() {
  hyperrs::Watch watch;
  watch.begin = [](int) {};
  watch.step = [](int, int, double) { return true; };
  watch.validated = [](int, double) {};
  return watch;
}

}  // namespace meta_worlds
