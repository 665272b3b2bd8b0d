// Properties of HIRE's network that no training can change: equivariance, attention maps, the range of its ratings.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "hire/attention_maps.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/optim/parameters.hpp"

namespace {

using thaw::Index;

constexpr Index kUsers = 5, kItems = 7;

hire::Settings small(hire::Order order) {
  hire::Settings s;
  s.user_attributes = 2;
  s.user_cardinality[0] = 4;
  s.user_cardinality[1] = 3;
  s.item_attributes = 1;
  s.item_cardinality[0] = 6;
  s.user_statistics = s.item_statistics = 2;
  s.width = 4;
  s.heads = 2;
  s.blocks = 2;
  s.lowest = 1;
  s.order = order;
  return s;
}

// One context by values, so that its users and items can be reordered.
template <class R>
struct Input {
  std::vector<std::int32_t> user[2], item, rating;
  std::vector<R> user_numbers, item_numbers, offset;

  static Input draw(thaw::Philox rng) {
    Input in;
    for (Index u = 0; u < kUsers; ++u) {
      in.user[0].push_back(static_cast<std::int32_t>(rng.below(4)));
      in.user[1].push_back(static_cast<std::int32_t>(rng.below(3)));
      for (int k = 0; k < 2; ++k) in.user_numbers.push_back(static_cast<R>(rng.normal()));
    }
    for (Index i = 0; i < kItems; ++i) {
      in.item.push_back(static_cast<std::int32_t>(rng.below(6)));
      for (int k = 0; k < 2; ++k) in.item_numbers.push_back(static_cast<R>(rng.normal()));
    }
    for (Index c = 0; c < kUsers * kItems; ++c) {
      in.rating.push_back(rng.below(3) == 0 ? static_cast<std::int32_t>(rng.below(5)) : -1);
      in.offset.push_back(static_cast<R>(rng.normal()));
    }
    return in;
  }
  // User k of the result is user users[k] of this, items alike.
  Input permuted(const std::vector<Index>& users, const std::vector<Index>& items) const {
    Input out;
    for (const Index u : users) {
      const auto at = static_cast<std::size_t>(u);
      out.user[0].push_back(user[0][at]);
      out.user[1].push_back(user[1][at]);
      for (std::size_t k = 0; k < 2; ++k) out.user_numbers.push_back(user_numbers[2 * at + k]);
      for (const Index i : items) {
        out.rating.push_back(rating[static_cast<std::size_t>(u * kItems + i)]);
        out.offset.push_back(offset[static_cast<std::size_t>(u * kItems + i)]);
      }
    }
    for (const Index i : items) {
      const auto at = static_cast<std::size_t>(i);
      out.item.push_back(item[at]);
      for (std::size_t k = 0; k < 2; ++k) out.item_numbers.push_back(item_numbers[2 * at + k]);
    }
    return out;
  }
  hire::Batch<R> batch() const {
    hire::Batch<R> b;
    b.contexts = 1;
    b.users = kUsers;
    b.items = kItems;
    b.user[0] = {user[0].data(), nullptr, kUsers};
    b.user[1] = {user[1].data(), nullptr, kUsers};
    b.item[0] = {item.data(), nullptr, kItems};
    b.rating = {rating.data(), nullptr, kUsers * kItems};
    b.user_statistics = user_numbers.data();
    b.item_statistics = item_numbers.data();
    b.offset = offset.data();
    return b;
  }
};

// A network with random weights; `spread` multiplies all of them.
template <class R>
struct Network {
  using A = thaw::Array<R>;
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  thaw::Parameters<hire::Hire<thaw::Spec>, R> parameters;

  explicit Network(hire::Order order, double spread = 1) : parameters(hire::make_plan(small(order)), context, 11) {
    for (int i = 0; i < parameters.count(); ++i)
      for (R& x : parameters.slot(i).value) x *= static_cast<R>(spread);
  }
  A operator()(const Input<R>& input, hire::Trace<A>* trace = nullptr) {
    return parameters.values()(input.batch(), {}, trace);
  }
};

template <class R>
double equivariance_gap(hire::Order order) {
  Network<R> network(order, 1.5);
  const Input<R> input = Input<R>::draw(thaw::Philox(3, 1));
  const std::vector<Index> users{3, 0, 4, 1, 2}, items{6, 2, 0, 5, 1, 4, 3};
  const auto straight = network(input), mixed = network(input.permuted(users, items));
  double gap = 0, spread = 0;
  for (std::size_t k = 0; k < users.size(); ++k)
    for (std::size_t j = 0; j < items.size(); ++j) {
      const auto here = static_cast<Index>(k) * kItems + static_cast<Index>(j);
      gap = (std::max)(gap, std::abs(static_cast<double>(mixed[here] - straight[users[k] * kItems + items[j]])));
      spread = (std::max)(spread, std::abs(static_cast<double>(mixed[here] - straight[here])));
    }
  CHECK(spread > 0.01);  // the order matters, so that the comparison can fail
  return gap;
}

// The largest distance of a row's sum from one.
template <class A>
double row_gap(const A& map) {
  const Index columns = map.shape[map.shape.rank - 1];
  double gap = 0;
  for (Index row = 0; row < map.size() / columns; ++row) {
    double sum = 0;
    for (Index c = 0; c < columns; ++c) sum += static_cast<double>(map[row * columns + c]);
    gap = (std::max)(gap, std::abs(sum - 1));
  }
  return gap;
}

}  // namespace

TEST_CASE("reordered users and items give reordered ratings") {
  for (const hire::Order order : {hire::Order::items_first, hire::Order::users_first}) {
    CHECK(equivariance_gap<double>(order) < 1e-12);
    CHECK(equivariance_gap<float>(order) < 1e-5);
  }
}

TEST_CASE("attention maps have the shapes of their axes and rows that sum to one") {
  using A = thaw::Array<double>;
  for (const hire::Order order : {hire::Order::items_first, hire::Order::users_first}) {
    Network<double> network(order, 2);
    hire::Trace<A> trace;
    network(Input<double>::draw(thaw::Philox(5, 1)), &trace);
    CHECK(trace.inputs.count == 2);
    const hire::Settings settings = small(order);
    const Index slots = settings.slots(), heads = settings.heads;
    CHECK(slots == 2 + 1 + 2 + 1);
    for (int b = 0; b < trace.inputs.count; ++b) {
      const auto maps = hire::attention_maps(network.parameters.values().blocks[b], trace.inputs[b], slots);
      CHECK(maps.users.shape == thaw::Shape{1, kItems, heads, kUsers, kUsers});
      CHECK(maps.items.shape == thaw::Shape{kUsers, 1, heads, kItems, kItems});
      CHECK(maps.attributes.shape == thaw::Shape{kUsers * kItems, 1, heads, slots, slots});
      CHECK(row_gap(maps.users) < 1e-12);
      CHECK(row_gap(maps.items) < 1e-12);
      CHECK(row_gap(maps.attributes) < 1e-12);
      CHECK(std::abs(maps.users[0] - 1.0 / static_cast<double>(kUsers)) > 1e-6);  // not the even mixture
    }
  }
}

TEST_CASE("ratings lie strictly inside the range") {
  for (const double spread : {0.25, 0.5, 1.0}) {
    Network<double> network(hire::Order::items_first, spread);
    const auto out = network(Input<double>::draw(thaw::Philox(7, 1)));
    bool inside = true;
    double lowest = 5, highest = 1;
    for (const double rating : out) {
      inside = inside && rating > 1 && rating < 5;
      lowest = (std::min)(lowest, rating);
      highest = (std::max)(highest, rating);
    }
    CHECK(inside);
    CHECK(highest - lowest > 0.1);
  }
}
