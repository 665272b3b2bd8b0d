#include "thaw/nn/relative_position.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

namespace {

// The first distance of each bucket, as the published code gives them in float.
const Index kTwoSided[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
const Index kOneSided[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                           16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};

template <std::size_t N>
std::int32_t last_reached(const Index (&first)[N], Index far) {
  std::int32_t bucket = 0;
  for (std::size_t i = 0; i < N; ++i)
    if (far >= first[i]) bucket = static_cast<std::int32_t>(i);
  return bucket;
}

}  // namespace

TEST_CASE("relative_bucket: the published tables for distances -200 .. 200") {
  for (Index d = -200; d <= 200; ++d) {
    CHECK(thaw::relative_bucket(d, 32, true) == last_reached(kTwoSided, d < 0 ? -d : d) + (d > 0 ? 16 : 0));
    CHECK(thaw::relative_bucket(d, 32, false) == last_reached(kOneSided, d < 0 ? -d : 0));
  }
  CHECK(thaw::relative_bucket(-100000, 32, true) == 15);
  CHECK(thaw::relative_bucket(100000, 32, true) == 31);
  CHECK(thaw::relative_bucket(-100000, 32, false) == 31);
}

TEST_CASE("RelativeBias: scores by head and distance, and their gradient") {
  Host host;
  const auto bias = random_model(host, thaw::relative_bias_spec(32, 3, true));
  const A scores = bias(20, 30);
  CHECK(thaw_test::same_shape(scores.shape, {3, 51}));
  for (Index h = 0; h < 3; ++h)
    for (Index d = -20; d <= 30; ++d)
      CHECK(scores[h * 51 + d + 20] == bias.table[thaw::relative_bucket(d, 32, true) * 3 + h]);
  thaw_test::hold("RelativeBias", thaw::check_gradient(
                                      [](const auto& table) {
                                        using T = std::remove_cvref_t<decltype(table)>;
                                        return thaw::RelativeBias<T>{table, true, 128}(20, 30);
                                      },
                                      {bias.table}));
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("relative_bias_spec: sizes without a table") {
  CHECK(thaw_test::says(thaw_test::message_of([] { (void)thaw::relative_bias_spec(6, 2, true); }), "6 buckets"));
}
#endif
