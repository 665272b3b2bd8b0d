// Scoring one user of a context must give what the whole forward pass gives for that user.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "../../examples/hire/scoring.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/optim/parameters.hpp"

namespace {

using A = thaw::Array<float, thaw::CpuEigen>;

hire::Settings settings(hire::Order order) {
  hire::Settings s;
  s.user_attributes = 1;
  s.user_cardinality[0] = 5;
  s.item_attributes = 1;
  s.item_cardinality[0] = 7;
  s.width = 8;
  s.heads = 4;
  s.blocks = 2;
  s.order = order;
  return s;
}

// Two contexts of 5 users and 7 items with a few visible ratings.
struct Contexts {
  std::vector<std::int32_t> users, items, levels;
  std::vector<float> offset;
  hire::Batch<float> batch;

  explicit Contexts(bool with_offset) {
    for (std::int32_t i = 0; i < 10; ++i) users.push_back(i * 3 % 5);
    for (std::int32_t i = 0; i < 14; ++i) items.push_back(i * 5 % 7);
    for (std::int32_t i = 0; i < 70; ++i) levels.push_back(i % 4 == 0 ? i % 5 : -1);
    for (int i = 0; i < 70; ++i) offset.push_back(std::sin(static_cast<float>(i)));
    batch.contexts = 2;
    batch.users = 5;
    batch.items = 7;
    batch.user[0] = {users.data(), nullptr, 10};
    batch.item[0] = {items.data(), nullptr, 14};
    batch.rating = {levels.data(), nullptr, 70};
    if (with_offset) batch.offset = offset.data();
  }
};

void compare(hire::Order order, bool with_offset, int threads) {
  thaw::GrowingArena arena;
  thaw::CpuEigen::Context context{&arena, threads};
  const thaw::Parameters<hire::Hire<thaw::Spec>, float, thaw::CpuEigen> parameters(hire::make_plan(settings(order)),
                                                                                   context, 3);
  const auto& model = parameters.values();
  const Contexts contexts(with_offset);
  const A all = model(contexts.batch), row = hire::score_target(model, contexts.batch);
  CHECK(row.shape == thaw::Shape{2, 7});
  float lowest = 5, highest = 0;
  for (int c = 0; c < 2; ++c)
    for (int i = 0; i < 7; ++i) {
      const float expected = all[c * 35 + i];
      CHECK(std::abs(row[c * 7 + i] - expected) < 1e-6F);
      lowest = std::fmin(lowest, expected);
      highest = std::fmax(highest, expected);
    }
  CHECK(highest - lowest > 1e-3F);  // they differ, so that a wrong row would be seen
}

}  // namespace

TEST_CASE("the ratings of user 0 alone are those of the whole pass") {
  for (const auto order : {hire::Order::items_first, hire::Order::users_first})
    for (const bool with_offset : {false, true})
      for (const int threads : {1, 2}) compare(order, with_offset, threads);
}
