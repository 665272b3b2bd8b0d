#include "thaw/core/random.hpp"

#include "tests/ops/fixture.hpp"

namespace {

bool equal(const thaw::Words4& w, std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return w.word[0] == a && w.word[1] == b && w.word[2] == c && w.word[3] == d;
}
// Any range with size() and operator[].
template <int N>
struct Cards {
  int items[N];
  int& operator[](std::uint32_t i) { return items[i]; }
  int size() const { return N; }
};

}  // namespace

TEST_CASE("Philox4x32-10: the known answers of Random123") {
  CHECK(equal(thaw::philox4x32({{0, 0, 0, 0}}, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  constexpr std::uint32_t ones = 0xffffffff;
  CHECK(
      equal(thaw::philox4x32({{ones, ones, ones, ones}}, ones, ones), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  CHECK(equal(thaw::philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0), 0xd16cfe09,
              0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST_CASE("the generator walks the counter, and seeks") {
  thaw::Philox rng(0);
  CHECK(rng.next() == 0x6627e8d5);
  CHECK(rng.next() == 0xe169c58d);
  CHECK(rng.next64() == 0xbc57ac4c9b00dbd8ull);
  const thaw::Words4 second = thaw::philox4x32({{1, 0, 0, 0}}, 0, 0);
  CHECK(rng.next() == second.word[0]);
  CHECK(rng.position() == 5);
  rng.seek(2);
  CHECK(rng.next() == 0xbc57ac4c);
  rng.seek(6);
  CHECK(rng.next() == second.word[2]);
  thaw::Philox other(0, 1);
  CHECK(other.next() == thaw::philox4x32({{0, 0, 1, 0}}, 0, 0).word[0]);
}

TEST_CASE("uniform: chi-square over 64 cells, mean and variance") {
  thaw::Philox rng(11);
  constexpr int n = 64000;
  int cells[64] = {};
  double sum = 0, squares = 0, least = 1, most = 0;
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform();
    ++cells[static_cast<int>(u * 64)];
    sum += u;
    squares += u * u;
    least = std::fmin(least, u);
    most = std::fmax(most, u);
  }
  double chi = 0;
  for (const int c : cells) chi += (c - n / 64.0) * (c - n / 64.0) / (n / 64.0);
  // 63 degrees of freedom: between the quantiles 0.0005 and 0.9995.
  CHECK(chi > 32);
  CHECK(chi < 105);
  CHECK(std::fabs(sum / n - 0.5) < 5 * std::sqrt(1.0 / 12 / n));
  CHECK(squares / n == doctest::Approx(1.0 / 3).epsilon(0.01));
  CHECK(least >= 0);
  CHECK(most < 1);
}

TEST_CASE("below is unbiased, also where 2^32 has a large remainder") {
  thaw::Philox rng(12);
  int cells[7] = {};
  for (int i = 0; i < 70000; ++i) ++cells[rng.below(7)];
  double chi = 0;
  for (const int c : cells) chi += (c - 10000.0) * (c - 10000.0) / 10000;
  CHECK(chi < 27.9);  // 6 degrees of freedom, 0.9999
  // With n = 3 * 2^30 a plain remainder or product would give a third of the values twice as often.
  constexpr std::uint32_t n = 3u << 30;
  int low = 0;
  for (int i = 0; i < 30000; ++i) low += rng.below(n) < (1u << 30) ? 1 : 0;
  CHECK(std::fabs(low - 10000.0) < 5 * std::sqrt(30000 * (1.0 / 3) * (2.0 / 3)));
  CHECK(rng.below(1) == 0);
}

TEST_CASE("normal: the first four moments") {
  thaw::Philox rng(13);
  constexpr int n = 50000;
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
  for (int i = 0; i < n; ++i) {
    const double x = rng.normal();
    m1 += x / n;
    m2 += x * x / n;
    m3 += x * x * x / n;
    m4 += x * x * x * x / n;
  }
  CHECK(std::fabs(m1) < 5 / std::sqrt(double(n)));
  CHECK(std::fabs(m2 - 1) < 5 * std::sqrt(2.0 / n));
  CHECK(std::fabs(m3) < 5 * std::sqrt(15.0 / n));
  CHECK(std::fabs(m4 - 3) < 5 * std::sqrt(96.0 / n));
}

TEST_CASE("shuffle: a permutation, every order of three as often") {
  thaw::Philox rng(14);
  int orders[27] = {};
  for (int i = 0; i < 6000; ++i) {
    Cards<3> cards{{0, 1, 2}};
    rng.shuffle(cards);
    ++orders[cards.items[0] * 9 + cards.items[1] * 3 + cards.items[2]];
  }
  double chi = 0;
  int seen = 0;
  for (const int count : orders) {
    if (count == 0) continue;
    ++seen;
    chi += (count - 1000.0) * (count - 1000.0) / 1000;
  }
  CHECK(seen == 6);
  CHECK(chi < 25.7);  // 5 degrees of freedom, 0.9999
}

TEST_CASE("keys: folding names different streams, the same fold the same") {
  constexpr thaw::Key key{5};
  static_assert(key.fold(1).bits == key.fold(1).bits);
  CHECK(key.fold(1).bits != key.fold(2).bits);
  CHECK(key.fold(1).fold(2).bits != key.fold(2).fold(1).bits);
  CHECK(thaw::Key{6}.fold(1).bits != key.fold(1).bits);
  thaw::Philox a(key.fold(1)), b(key.fold(1));
  CHECK(a.next64() == b.next64());
}

TEST_CASE("the dropout rule: its rate, and neighbours share a call") {
  const auto rule = thaw::DropoutRule::make(0.1, thaw::Key{9}, 2);
  CHECK(rule.threshold == 6554);
  CHECK(rule.scale() == doctest::Approx(1 / 0.9).epsilon(1e-4));
  int dropped = 0;
  for (std::uint64_t row = 0; row < 100; ++row)
    for (std::uint64_t column = 0; column < 100; ++column)
      dropped += rule.keeps(rule.words(row, column, 100), column) ? 0 : 1;
  CHECK(std::fabs(dropped - 1000.0) < 5 * std::sqrt(10000 * 0.1 * 0.9));
  CHECK(rule.words(3, 8, 20).word[0] == rule.words(3, 15, 20).word[0]);
  CHECK(rule.words(3, 8, 20).word[0] != rule.words(3, 16, 20).word[0]);
}
