#include "thaw/ops/segment_attention.hpp"

#include <cmath>
#include <vector>

#include "tests/ops/fixture.hpp"
#include "thaw/backend/cpu_eigen.hpp"

using namespace thaw_test;
using thaw::SegmentAttentionSettings;

namespace {

const std::int32_t kQueries[] = {0, 3, 3, 7}, kKeys[] = {0, 4, 6, 11};

SegmentAttentionSettings crossed(Index heads) {
  return {.queries = {kQueries, 3}, .keys = {kKeys, 3}, .heads = heads, .before = 3};
}

// The definition, one number at a time.
std::vector<double> by_loops(const A& q, const A& k, const A& v, const A& bias, const SegmentAttentionSettings& s) {
  const Index width = q.shape[1], head = width / s.heads;
  std::vector<double> y(static_cast<std::size_t>(q.size()), 0.0);
  for (Index g = 0; g < s.queries.count; ++g)
    for (Index h = 0; h < s.heads; ++h)
      for (Index a = 0; a < s.queries.size(g); ++a) {
        std::vector<double> w;
        double sum = 0;
        for (Index b = 0; b < s.keys.size(g); ++b) {
          double dot = 0;
          for (Index c = 0; c < head; ++c)
            dot += q[(s.queries.begin(g) + a) * width + h * head + c] * k[(s.keys.begin(g) + b) * width + h * head + c];
          dot = s.scale * dot + bias[h * bias.shape[1] + b - a + s.before];
          w.push_back(s.causal && b > a ? 0 : std::exp(dot));
          sum += w.back();
        }
        for (Index b = 0; b < s.keys.size(g); ++b)
          for (Index c = 0; c < head; ++c)
            y[static_cast<std::size_t>((s.queries.begin(g) + a) * width + h * head + c)] +=
                w[static_cast<std::size_t>(b)] / sum * v[(s.keys.begin(g) + b) * width + h * head + c];
      }
  return y;
}

}  // namespace

TEST_CASE("segment_attention: the definition by loops; an empty segment of queries is skipped") {
  Host host;
  const A q = host.normal({7, 6}), k = host.normal({11, 6}), v = host.normal({11, 6}), bias = host.normal({2, 9});
  for (const bool causal : {false, true})
    for (const double scale : {1.0, 0.4}) {
      SegmentAttentionSettings s = crossed(2);
      s.causal = causal;
      s.scale = scale;
      const A y = thaw::segment_attention(q, k, v, bias, s);
      const std::vector<double> want = by_loops(q, k, v, bias, s);
      for (Index i = 0; i < y.size(); ++i) CHECK(std::fabs(y[i] - want[static_cast<std::size_t>(i)]) < 1e-13);
      CHECK(difference(thaw::segment_attention(q, k, v, host.zeros({2, 9}), s), thaw::segment_attention(q, k, v, s)) <
            1e-14);
    }
}

TEST_CASE("segment_attention: a sequence does not notice which others share its batch") {
  Host host;
  const A q = host.normal({7, 6}), k = host.normal({11, 6}), v = host.normal({11, 6}), bias = host.normal({2, 9});
  const A all = thaw::segment_attention(q, k, v, bias, crossed(2));
  static const std::int32_t first_q[] = {0, 3}, first_k[] = {0, 4};
  SegmentAttentionSettings alone = crossed(2);
  alone.queries = {first_q, 1};
  alone.keys = {first_k, 1};
  const A one =
      thaw::segment_attention(thaw::slice(q, 0, 0, 3), thaw::slice(k, 0, 0, 4), thaw::slice(v, 0, 0, 4), bias, alone);
  for (Index i = 0; i < one.size(); ++i) CHECK(one[i] == all[i]);
}

TEST_CASE("segment_attention: gradients to second order, with and without bias, causal, dropped") {
  Host host;
  const A q = host.normal({7, 4}), k = host.normal({11, 4}), v = host.normal({11, 4}), bias = host.normal({2, 9});
  SegmentAttentionSettings s = crossed(2);
  s.scale = 0.7;
  thaw::CheckOptions options;
  options.projections = 1;
  const auto with_bias = [&](const auto& x, const auto& y, const auto& b) {
    using T = thaw::Meet<std::remove_cvref_t<decltype(x)>,
                         thaw::Meet<std::remove_cvref_t<decltype(y)>, std::remove_cvref_t<decltype(b)>>>;
    const T& like = thaw::detail::first_of<T>(x, y, b);
    return thaw::segment_attention(thaw::lift_to<T>(x, like), thaw::lift_to<T>(y, like), thaw::lift_to<T>(v, like),
                                   thaw::lift_to<T>(b, like), s);
  };
  hold("segment_attention q k bias", thaw::check_gradient(with_bias, {q, k, bias}, options));
  s.causal = true;
  hold("segment_attention causal", thaw::check_gradient(with_bias, {q, k, bias}, options));
  s.dropout = thaw::DropoutRule::make(0.4, thaw::Key{5}, 3);
  hold("segment_attention dropped", thaw::check_gradient(with_bias, {q, k, bias}, options));
  s.causal = false;
  const auto plain = [&](const auto& x, const auto& y) {
    using T = thaw::Meet<std::remove_cvref_t<decltype(x)>, std::remove_cvref_t<decltype(y)>>;
    const T& like = thaw::detail::first_of<T>(x, y);
    return thaw::segment_attention(thaw::lift_to<T>(q, like), thaw::lift_to<T>(x, like), thaw::lift_to<T>(y, like), s);
  };
  hold("segment_attention k v", thaw::check_gradient(plain, {k, v}, options));
}

TEST_CASE("segment_attention: the kernel is the composition, also with dropout") {
  Host host;
  const A in[] = {host.normal({7, 6}), host.normal({11, 6}), host.normal({11, 6}), host.normal({2, 9})};
  SegmentAttentionSettings s = crossed(2);
  s.dropout = thaw::DropoutRule::make(0.4, thaw::Key{5}, 3);
  const A y = thaw::segment_attention(in[0], in[1], in[2], in[3], s);
  CHECK(difference(y, thaw::op::SegmentAttention::compose<A>(s, in, 4)) < 1e-13);
  CHECK(difference(y, thaw::segment_attention(in[0], in[1], in[2], in[3], crossed(2))) > 1e-2);
}

TEST_CASE("segment_attention: float kernels, and the number of threads changes no bit") {
  Host host;
  using R = thaw::Array<float, thaw::CpuEigen>;
  std::vector<std::int32_t> offsets{0};
  for (const std::int32_t size : {40, 7, 64, 33}) offsets.push_back(offsets.back() + size);
  const Index rows = offsets.back(), width = 64;
  SegmentAttentionSettings s{.queries = {offsets.data(), 4}, .keys = {offsets.data(), 4}, .heads = 8, .before = 63};
  s.dropout = thaw::DropoutRule::make(0.1, thaw::Key{5}, 3);
  A wide[4] = {host.normal({rows, width}), host.normal({rows, width}), host.normal({rows, width}),
               host.normal({8, 127})};
  const A up = host.normal({rows, width});
  std::vector<std::vector<float>> first;
  for (const int threads : {1, 2, 3}) {
    thaw::CpuEigen::Context context{&host.arena, threads};
    thaw::Tape<float, thaw::CpuEigen> tape(context);
    const auto narrow = [&](const A& a) {
      R out = R::make(context, a.shape);
      for (Index i = 0; i < a.size(); ++i) out[i] = static_cast<float>(a[i]);
      return out;
    };
    thaw::Var<float, thaw::CpuEigen> leaves[4];
    for (int i = 0; i < 4; ++i) leaves[i] = tape.leaf(narrow(wide[i]));
    const auto y = thaw::segment_attention(leaves[0], leaves[1], leaves[2], leaves[3], s);
    R g[4];
    thaw::pull_back<R, float, thaw::CpuEigen>(y, narrow(up), {leaves, 4, g});
    std::vector<std::vector<float>> all{{y.begin(), y.end()}};
    for (const R& x : g) all.emplace_back(x.begin(), x.end());
    if (threads == 1) {
      first = all;
      const A want = thaw::segment_attention(wide[0], wide[1], wide[2], wide[3], s);
      for (Index i = 0; i < want.size(); ++i) CHECK(std::fabs(static_cast<double>(y[i]) - want[i]) < 1e-4);
    }
    CHECK(all == first);
  }
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("segment_attention: what does not fit is named") {
  Host host;
  const A q = host.normal({7, 6}), k = host.normal({11, 6});
  CHECK(says(message_of([&] { (void)thaw::segment_attention(k, k, k, crossed(2)); }), "queries (11, 6) for 7 rows"));
  CHECK(says(message_of([&] { (void)thaw::segment_attention(q, q, q, crossed(2)); }), "expected (11, 6)"));
  CHECK(says(message_of([&] {
               (void)thaw::segment_attention(q, k, k, host.normal({2, 7}), crossed(2));
             }),
             "bias (2, 7)"));
  CHECK(says(message_of([&] { (void)thaw::segment_attention(q, k, k, crossed(4)); }), "4 heads"));
}
#endif
