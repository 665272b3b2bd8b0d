// The share of the network in the order of a user's items: closed forms and the one-standard-error rule.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "../../examples/hire/order_share.hpp"

TEST_CASE("a share scales what changed in the order and keeps what changed in level") {
  const std::vector<float> start{3, 4, 2};
  const std::vector<float> network{4, 4, 4};  // level +1, order changed by 0, -1, +1
  std::vector<float> none = network, half = network, all = network;
  hire::share_order(start, 0, none);
  hire::share_order(start, 0.5, half);
  hire::share_order(start, 1, all);
  CHECK(none == std::vector<float>{4, 5, 3});
  CHECK(half == std::vector<float>{4, 4.5F, 3.5F});
  CHECK(all == network);
  std::vector<float> empty;
  hire::share_order({}, 0.5, empty);
  CHECK(empty.empty());
}

TEST_CASE("the smallest share within one standard error of the best is taken") {
  // Gains over share 0 of mean 0.1: certain in the first case, in the second with a standard error of 0.14.
  const std::vector<double> zero(100, 0.5);
  std::vector<double> certain(100, 0.6), chance(100, 0.6);
  for (std::size_t u = 0; u < chance.size(); ++u) chance[u] += u % 2 == 0 ? 1.4 : -1.4;
  CHECK(hire::detail::smallest_share({zero, certain, zero}) == 0.5);
  CHECK(hire::detail::smallest_share({zero, zero, certain}) == 1);
  CHECK(hire::detail::smallest_share({zero, chance, zero}) == 0);
  CHECK(hire::detail::smallest_share({certain, zero, zero}) == 0);
  // Half of the network is within chance of all of it, but not nothing.
  std::vector<double> little_better(certain);
  for (std::size_t u = 0; u < little_better.size(); ++u) little_better[u] += u % 2 == 0 ? 0.02 : -0.019;
  CHECK(hire::detail::smallest_share({zero, certain, little_better}) == 0.5);
}
