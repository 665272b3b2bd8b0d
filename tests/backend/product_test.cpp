// Products against plain double loops, on every instruction set of the machine.
#include "thaw/backend/kernels/product.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace thaw;

namespace {

struct Random {
  std::uint64_t state = 88172645463325252ull;
  std::uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  }
  Index below(Index n) { return static_cast<Index>(next() % static_cast<std::uint64_t>(n)); }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-52 - 1.0; }
};

std::vector<Isa> sets_of_this_machine() {
  std::vector<Isa> sets{Isa::portable};
  for (Isa isa : {Isa::avx2, Isa::avx512})
    if (detect_isa() >= isa) sets.push_back(isa);
  return sets;
}

// Elements an operand reaches.
Index extent(Index batch, Index batch_stride, Index n, Index n_stride, Index m, Index m_stride) {
  return (batch - 1) * batch_stride + (n - 1) * n_stride + (m > 0 ? m - 1 : 0) * m_stride + 1;
}

template <class Real>
struct Operands {
  std::vector<Real> a, b, c, bias;
  Operands(const ProductShape& s, Random& random)
      : a(size(extent(s.batch, s.a_batch_stride, s.rows, s.a_row_stride, s.inner, s.a_inner_stride))),
        b(size(extent(s.batch, s.b_batch_stride, s.columns, s.b_column_stride, s.inner, s.b_inner_stride))),
        c(size(extent(s.batch, s.c_batch_stride, s.rows, s.c_row_stride, s.columns, 1))),
        bias(size(s.columns)) {
    for (auto* v : {&a, &b, &c, &bias})
      for (Real& x : *v) x = static_cast<Real>(random.uniform());
  }
  static std::size_t size(Index n) { return static_cast<std::size_t>(n); }
};

// Largest error over what rounding explains; elements of C between the rows must stay as they were.
template <class Real>
double compare(const ProductShape& s, const Operands<Real>& before, const std::vector<Real>& c, bool with_bias) {
  double worst = 0;
  std::vector<char> written(c.size(), 0);
  for (Index i = 0; i < s.batch; ++i)
    for (Index r = 0; r < s.rows; ++r)
      for (Index j = 0; j < s.columns; ++j) {
        const auto at = static_cast<std::size_t>(i * s.c_batch_stride + r * s.c_row_stride + j);
        double sum = s.accumulate ? static_cast<double>(before.c[at]) : 0.0;
        double size = std::fabs(sum) + 1;
        if (with_bias) sum += static_cast<double>(before.bias[static_cast<std::size_t>(j)]);
        for (Index k = 0; k < s.inner; ++k) {
          const double x = static_cast<double>(before.a[static_cast<std::size_t>(
                               i * s.a_batch_stride + r * s.a_row_stride + k * s.a_inner_stride)]) *
                           static_cast<double>(before.b[static_cast<std::size_t>(
                               i * s.b_batch_stride + k * s.b_inner_stride + j * s.b_column_stride)]);
          sum += x;
          size += std::fabs(x);
        }
        const double allowed = size * static_cast<double>(std::numeric_limits<Real>::epsilon()) * 8;
        worst = (std::max)(worst, std::fabs(static_cast<double>(c[at]) - sum) / allowed);
        written[at] = 1;
      }
  for (std::size_t i = 0; i < c.size(); ++i)
    if (written[i] == 0 && c[i] != before.c[i]) worst = 1e9;
  return worst;
}

template <class Real>
double error_of(Isa isa, const ProductShape& s, Random& random, bool with_bias, int threads = 1) {
  Operands<Real> operands(s, random);
  std::vector<Real> c = operands.c;
  // Ends of the vectors are ends of allocations, so that a sanitizer sees a read behind them.
  std::vector<char> scratch(product_scratch_bytes<Real>(s, threads), char(0x7f));
  const Real* bias = with_bias ? operands.bias.data() : nullptr;
  if (threads == 1)
    product(isa, s, operands.a.data(), operands.b.data(), c.data(), bias, scratch.data());
  else
    product_threads(isa, s, operands.a.data(), operands.b.data(), c.data(), bias, threads, scratch.data());
  return compare(s, operands, c, with_bias);
}

// Random strides: row-major, transposed, both with gaps, or scattered.
void stride(Random& random, Index lines, Index length, Index& line, Index& step) {
  const Index gap = random.below(3) == 0 ? random.below(5) : 0;
  switch (random.below(3)) {
    case 0:
      line = length + gap, step = 1;
      break;
    case 1:
      line = 1, step = lines + gap;
      break;
    default:
      step = 2 + gap, line = length * step + 1;
  }
}

ProductShape random_shape(Random& random, Index limit) {
  ProductShape s;
  const Index sizes[] = {1, 2, 3, 9, 16, 17, 31, 33, 64, 65};
  auto pick = [&] { return (std::min)(limit, random.below(2) == 0 ? 1 + random.below(40) : sizes[random.below(10)]); };
  s.batch = random.below(3) == 0 ? 1 + random.below(4) : 1;
  s.rows = pick();
  s.columns = pick();
  s.inner = random.below(12) == 0 ? 600 + random.below(8) : pick();
  stride(random, s.rows, s.inner, s.a_row_stride, s.a_inner_stride);
  stride(random, s.columns, s.inner, s.b_column_stride, s.b_inner_stride);
  s.a_batch_stride = random.below(3) == 0 ? 0 : extent(1, 0, s.rows, s.a_row_stride, s.inner, s.a_inner_stride) + 3;
  s.b_batch_stride = random.below(3) == 0 ? 0 : extent(1, 0, s.columns, s.b_column_stride, s.inner, s.b_inner_stride);
  s.c_row_stride = s.columns + (random.below(2) == 0 ? 0 : random.below(4));
  s.c_batch_stride = s.rows * s.c_row_stride + (random.below(2) == 0 ? 0 : 2);
  s.accumulate = random.below(2) == 0;
  return s;
}

}  // namespace

TEST_CASE_TEMPLATE("product agrees with double loops for random shapes and strides", Real, float, double) {
  for (Isa isa : sets_of_this_machine()) {
    Random random;
    for (int i = 0; i < 600; ++i) {
      const ProductShape s = random_shape(random, 80);
      const double error = error_of<Real>(isa, s, random, random.below(2) == 0);
      CAPTURE(static_cast<int>(isa));
      CAPTURE(i);
      CAPTURE(s.rows);
      CAPTURE(s.columns);
      CAPTURE(s.inner);
      CHECK(error < 1);
      if (!(error < 1)) return;
    }
  }
}

TEST_CASE("product is right for every tail of rows and columns") {
  for (Isa isa : sets_of_this_machine()) {
    Random random;
    for (Index rows = 1; rows <= 33; ++rows)
      for (Index columns = 1; columns <= 33; ++columns) {
        ProductShape s = row_major_product(rows, columns, 1 + (rows + columns) % 19);
        CHECK(error_of<float>(isa, s, random, true) < 1);
        s.b_inner_stride = 1;
        s.b_column_stride = s.inner;
        CHECK(error_of<float>(isa, s, random, false) < 1);
      }
  }
}

TEST_CASE("product crosses its blocks of the inner size and of the columns") {
  for (Isa isa : sets_of_this_machine()) {
    Random random;
    for (Index rows : {5, 70}) {
      ProductShape s = row_major_product(rows, 1100, 515);
      CHECK(error_of<float>(isa, s, random, true) < 1);
      s.accumulate = true;
      s.a_row_stride = 1;
      s.a_inner_stride = rows;
      CHECK(error_of<float>(isa, s, random, true) < 1);
      s = row_major_product(rows, 70, 512);  // rows of A that share cache sets are packed
      s.a_row_stride = 1024;
      CHECK(error_of<float>(isa, s, random, false) < 1);
    }
  }
}

// B by column and few rows: dot products instead of packing, and just above their limits not.
TEST_CASE_TEMPLATE("few rows times a matrix stored by column", Real, float, double) {
  Random random;
  for (Isa isa : {Isa::portable, Isa::avx2, Isa::avx512}) {
    if (isa > detect_isa()) continue;
    for (Index rows : {2, 3, 5, 16, 20, 63, 64, 65})
      for (Index columns : {127, 128, 131, 270})
        for (Index inner : {255, 256, 263, 700}) {
          ProductShape s = row_major_product(rows, columns, inner);
          s.b_inner_stride = 1, s.b_column_stride = inner + random.below(2) * 5;
          s.a_row_stride += random.below(2) * 3;
          s.c_row_stride += random.below(2) * 2;
          s.accumulate = random.below(2) == 0;
          CHECK(error_of<Real>(isa, s, random, random.below(2) == 0, 1 + static_cast<int>(random.below(2))) < 1);
        }
  }
}

TEST_CASE("products of transformers have the same numbers for any number of threads") {
  struct Sizes {
    Index rows, columns, inner;
  };
  for (const Sizes& z : {Sizes{20, 512, 512}, {64, 256, 1030}, {65, 256, 512}, {100, 2048, 300}, {513, 300, 260}})
    for (int layout = 0; layout < 3; ++layout) {
      ProductShape s = row_major_product(z.rows, z.columns, z.inner);
      if (layout == 1) s.b_inner_stride = 1, s.b_column_stride = z.inner;
      if (layout == 2) s.a_row_stride = 1, s.a_inner_stride = z.rows;
      Random random;
      const Operands<float> operands(s, random);
      std::vector<float> alone = operands.c;
      std::vector<char> scratch(product_scratch_bytes<float>(s));
      product(detect_isa(), s, operands.a.data(), operands.b.data(), alone.data(), operands.bias.data(),
              scratch.data());
      for (int threads : {2, 3, 5}) {
        std::vector<float> shared = operands.c;
        scratch.resize(product_scratch_bytes<float>(s, threads));
        product_threads(detect_isa(), s, operands.a.data(), operands.b.data(), shared.data(), operands.bias.data(),
                        threads, scratch.data());
        CHECK(shared == alone);
      }
    }
}

TEST_CASE("an empty inner size leaves zero, the bias, or what was there") {
  for (Isa isa : sets_of_this_machine())
    for (Index rows : {1, 7})
      for (Index columns : {1, 40}) {
        ProductShape s = row_major_product(rows, columns, 0);
        const auto n = static_cast<std::size_t>(rows * columns);
        std::vector<float> c(n, 5), bias(static_cast<std::size_t>(columns), 2);
        std::vector<char> scratch(product_scratch_bytes<float>(s));
        const float nothing = 0;
        product(isa, s, &nothing, &nothing, c.data(), bias.data(), scratch.data());
        for (float x : c) CHECK(x == 2.0f);
        s.accumulate = true;
        product<float>(isa, s, &nothing, &nothing, c.data(), nullptr, scratch.data());
        for (float x : c) CHECK(x == 2.0f);
        s.accumulate = false;
        product<float>(isa, s, &nothing, &nothing, c.data(), nullptr, scratch.data());
        for (float x : c) CHECK(x == 0.0f);
      }
}

TEST_CASE("NaN and infinity reach exactly the elements that depend on them") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (Isa isa : sets_of_this_machine())
    for (Index columns : {1, 9, 16, 33}) {
      const ProductShape s = row_major_product(14, columns, 5);
      std::vector<float> a(14 * 5, 1), b(static_cast<std::size_t>(5 * columns), 1),
          c(static_cast<std::size_t>(14 * columns));
      std::vector<char> scratch(product_scratch_bytes<float>(s));
      a[3 * 5 + 2] = nan;
      b[static_cast<std::size_t>(columns - 1)] = inf;
      product<float>(isa, s, a.data(), b.data(), c.data(), nullptr, scratch.data());
      for (Index r = 0; r < 14; ++r)
        for (Index j = 0; j < columns; ++j) {
          const float x = c[static_cast<std::size_t>(r * columns + j)];
          if (r == 3)
            CHECK(std::isnan(x));
          else if (j == columns - 1)
            CHECK(x == inf);
          else
            CHECK(x == 5.0f);
        }
    }
}

TEST_CASE("threads give the same numbers every time and agree with double loops") {
  const ProductShape shapes[] = {
      row_major_product(700, 40, 33),    // rows
      row_major_product(9, 9, 16, 900),  // batch
      row_major_product(3, 900, 260),    // columns
      row_major_product(600, 300, 20, 3),
      {.batch = 1,
       .rows = 20,
       .columns = 33,
       .inner = 4000,
       .a_row_stride = 1,
       .a_inner_stride = 20,
       .b_inner_stride = 33,
       .b_column_stride = 1,
       .c_row_stride = 35},  // inner
  };
  for (ProductShape s : shapes)
    for (int threads : {2, 3})
      for (bool accumulate : {false, true}) {
        s.accumulate = accumulate;
        Random random;
        const Operands<float> operands(s, random);
        std::vector<float> first = operands.c, second = operands.c;
        std::vector<char> scratch(product_scratch_bytes<float>(s, threads));
        product_threads(detect_isa(), s, operands.a.data(), operands.b.data(), first.data(), operands.bias.data(),
                        threads, scratch.data());
        product_threads(detect_isa(), s, operands.a.data(), operands.b.data(), second.data(), operands.bias.data(),
                        threads, scratch.data());
        CHECK(first == second);
        CHECK(compare(s, operands, first, true) < 1);
      }
}
