// Two engines that share no code give the same product.
#include "thaw/backend/kernels/eigen_product.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "thaw/backend/kernels/product.hpp"
#include "thaw/core/random.hpp"

using namespace thaw;

TEST_CASE("Eigen and the own kernels agree on large products of every layout") {
  Philox random(4);
  for (int layout = 0; layout < 4; ++layout)
    for (bool accumulate : {false, true}) {
      ProductShape s = row_major_product(130, 270, 300, 2);
      s.accumulate = accumulate;
      if ((layout & 1) != 0) s.a_row_stride = 1, s.a_inner_stride = s.rows;
      if ((layout & 2) != 0) s.b_inner_stride = 1, s.b_column_stride = s.inner;
      CHECK(eigen_can(s));
      auto values = [&](Index n) {
        std::vector<float> x(static_cast<std::size_t>(n));
        for (float& v : x) v = static_cast<float>(random.uniform() - 0.5);
        return x;
      };
      const auto a = values(2 * 130 * 300), b = values(2 * 300 * 270), bias = values(270);
      std::vector<float> first = values(2 * 130 * 270), second = first;
      std::vector<char> scratch(product_scratch_bytes<float>(s));
      product(detect_isa(), s, a.data(), b.data(), first.data(), bias.data(), scratch.data());
      eigen_product(s, a.data(), b.data(), second.data(), bias.data());
      float worst = 0;
      for (std::size_t i = 0; i < first.size(); ++i) worst = std::fmax(worst, std::fabs(first[i] - second[i]));
      CHECK(worst < 1e-5f);
      CHECK(std::fabs(first[0]) > 0);
    }
  ProductShape scattered = row_major_product(4, 4, 4);
  scattered.a_inner_stride = 2;
  scattered.a_row_stride = 8;
  CHECK(!eigen_can(scattered));
}
