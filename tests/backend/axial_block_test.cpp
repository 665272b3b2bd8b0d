// The axial block against plain loops in double precision, whose gradients central differences confirm.
#include "thaw/backend/kernels/axial_block.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace {

using thaw::AxialBlockOptions;
using thaw::AxialBlockParams;
using thaw::AxialBlockShape;
using thaw::AxialInstructions;
using thaw::Index;
using Values = std::vector<double>;

constexpr int kTensors = 18;
const char* const kNames[kTensors] = {
    "norm_query_weight",  "norm_query_bias",  "query_weight",  "query_bias",  "key_weight",      "key_bias",
    "value_weight",       "value_bias",       "output_weight", "output_bias", "residual_weight", "residual_bias",
    "norm_hidden_weight", "norm_hidden_bias", "expand_weight", "expand_bias", "contract_weight", "contract_bias"};

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// The generator of Salmon et al. (2011), one word at a time.
std::uint32_t philox_word(std::uint64_t counter, std::uint32_t site, std::uint64_t key, Index which) {
  std::uint32_t c[4] = {static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), site, 0};
  std::uint32_t k[2] = {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * c[0], p1 = std::uint64_t{0xCD9E8D57U} * c[2];
    const std::uint32_t next[4] = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(p1),
                                   static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(p0)};
    std::copy(next, next + 4, c);
    k[0] += 0x9E3779B9U;
    k[1] += 0xBB67AE85U;
  }
  return c[which];
}

// 0, or the scale of a kept element.
double kept(const AxialBlockOptions& o, std::uint32_t site, Index row, Index column, Index columns) {
  const auto threshold = static_cast<std::uint32_t>(std::lround(double(o.dropout) * 65536.0));
  const auto counter = static_cast<std::uint64_t>(row * ((columns + 7) / 8) + column / 8);
  const std::uint32_t word = philox_word(counter, o.site + site, o.key, column % 8 / 2);
  const std::uint32_t value = (word >> (16 * (column % 2))) & 0xffffU;
  return value < threshold ? 0.0 : 1.0 / (1.0 - threshold / 65536.0);
}

struct Case {
  AxialBlockShape shape;
  AxialBlockOptions options;
  Values tensor[kTensors], x, d_out;

  Case(const AxialBlockShape& s, float dropout, unsigned seed) : shape(s) {
    const Index w = s.width, h = s.hidden;
    const Index sizes[kTensors] = {w, w, w * w, w, w * w, w, w * w, w, w * w, w, w * w, w, w, w, h * w, h, w * h, w};
    options.scale = static_cast<float>(1.5 / std::sqrt(static_cast<double>(w)));
    options.epsilon = 1e-5F;
    options.dropout = dropout;
    options.key = 0x123456789abcdef0ULL + seed;
    options.site = 40;
    unsigned state = seed * 7919U + 17U;
    const auto draw = [&state] {
      state = state * 1664525U + 1013904223U;
      return static_cast<double>(static_cast<float>(state >> 8) / 8388608.0F - 1.0F);
    };
    for (int i = 0; i < kTensors; ++i) {
      tensor[i].resize(at(sizes[i]));
      const double size = sizes[i] >= w * w && w > 1 ? 1.7 / std::sqrt(static_cast<double>(w)) : 0.5;
      for (double& v : tensor[i]) v = static_cast<double>(static_cast<float>(draw() * size + (i == 0 || i == 12)));
    }
    x.resize(at(s.outer * s.tokens * s.inner * w));
    d_out.resize(x.size());
    for (double& v : x) v = draw();
    for (double& v : d_out) v = draw();
  }
  Index token(Index group, Index t) const {
    return (group / shape.inner * shape.tokens + t) * shape.inner + group % shape.inner;
  }
};

// y(rows) += W(rows, columns) x
void apply(const Values& weight, const double* x, Index rows, Index columns, double* y) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < columns; ++c) y[r] += weight[at(r * columns + c)] * x[c];
}
// The gradients of that.
void apply_back(const Values& weight, const double* x, const double* d_y, Index rows, Index columns, Values& d_weight,
                Values& d_bias, double* d_x) {
  for (Index r = 0; r < rows; ++r) {
    d_bias[at(r)] += d_y[r];
    for (Index c = 0; c < columns; ++c) {
      d_weight[at(r * columns + c)] += d_y[r] * x[c];
      d_x[c] += weight[at(r * columns + c)] * d_y[r];
    }
  }
}
void norm(const double* x, Index width, double epsilon, double* hat, double& inverse) {
  double mean = 0, square = 0;
  for (Index f = 0; f < width; ++f) mean += x[f] / static_cast<double>(width);
  for (Index f = 0; f < width; ++f) square += (x[f] - mean) * (x[f] - mean) / static_cast<double>(width);
  inverse = 1.0 / std::sqrt(square + epsilon);
  for (Index f = 0; f < width; ++f) hat[f] = (x[f] - mean) * inverse;
}
void norm_back(const double* hat, double inverse, const Values& weight, const double* d_y, Index width,
               Values& d_weight, Values& d_bias, double* d_x) {
  double mean = 0, along = 0;
  for (Index f = 0; f < width; ++f) {
    const double g = d_y[f] * weight[at(f)];
    mean += g / static_cast<double>(width);
    along += g * hat[f] / static_cast<double>(width);
    d_weight[at(f)] += d_y[f] * hat[f];
    d_bias[at(f)] += d_y[f];
  }
  for (Index f = 0; f < width; ++f) d_x[f] += inverse * (d_y[f] * weight[at(f)] - mean - hat[f] * along);
}

// The block and its gradients, one group at a time.
struct Reference {
  const Case& c;
  Values out, map, d_x, gradient[kTensors];

  explicit Reference(const Case& problem) : c(problem), out(c.x.size()), d_x(c.x.size()) {
    map.resize(at(c.shape.outer * c.shape.inner * c.shape.heads * c.shape.tokens * c.shape.tokens));
    for (int i = 0; i < kTensors; ++i) gradient[i].resize(c.tensor[i].size());
    for (Index g = 0; g < c.shape.outer * c.shape.inner; ++g) run(g);
  }

  double loss() const {
    double sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * c.d_out[i];
    return sum;
  }

 private:
  double* row(Values& v, Index t, Index width) { return v.data() + t * width; }

  void run(Index group) {
    project(group);
    attend(group);
    for (Index t = 0; t < T; ++t) network(group, t);
    attend_back(group);
    project_back(group);
  }
  // Fresh zeros, then queries, keys and values.
  void project(Index group) {
    for (Values* v : {&x, &hat, &xn, &q, &k, &v_, &att, &d_sum, &d_att, &d_q, &d_k, &d_v, &d_in})
      v->assign(at(T * w), 0);
    inv.assign(at(T), 0);
    dropped.assign(at(heads * T * T), 0);
    for (Index t = 0; t < T; ++t) {
      for (Index f = 0; f < w; ++f) x[at(t * w + f)] = c.x[at(c.token(group, t) * w + f)];
      norm(row(x, t, w), w, eps, row(hat, t, w), inv[at(t)]);
      for (Index f = 0; f < w; ++f) {
        xn[at(t * w + f)] = hat[at(t * w + f)] * P[0][at(f)] + P[1][at(f)];
        q[at(t * w + f)] = P[3][at(f)], k[at(t * w + f)] = P[5][at(f)], v_[at(t * w + f)] = P[7][at(f)];
      }
      apply(P[2], row(xn, t, w), w, w, row(q, t, w));
      apply(P[4], row(x, t, w), w, w, row(k, t, w));
      apply(P[6], row(x, t, w), w, w, row(v_, t, w));
    }
  }
  double* map_row(Index group, Index head, Index i) { return map.data() + ((group * heads + head) * T + i) * T; }
  double map_keep(Index group, Index head, Index i, Index j) const {
    return kept(c.options, 0, (group * heads + head) * T + i, j, T);
  }
  void attend(Index group) {
    for (Index head = 0; head < heads; ++head) {
      for (Index i = 0; i < T; ++i) {
        double* const p = map_row(group, head, i);
        double most = -1e300, total = 0;
        for (Index j = 0; j < T; ++j) {
          p[j] = 0;
          for (Index f = head * hw; f < (head + 1) * hw; ++f) p[j] += scale * q[at(i * w + f)] * k[at(j * w + f)];
          most = (std::max)(most, p[j]);
        }
        for (Index j = 0; j < T; ++j) total += p[j] = std::exp(p[j] - most);
        for (Index j = 0; j < T; ++j) {
          p[j] /= total;
          const double used = p[j] * map_keep(group, head, i, j);
          dropped[at((head * T + i) * T + j)] = used;
          for (Index f = head * hw; f < (head + 1) * hw; ++f) att[at(i * w + f)] += used * v_[at(j * w + f)];
        }
      }
    }
  }
  // Everything after attention for one token, and its gradients.
  void network(Index group, Index t) {
    const Index n = c.token(group, t), h = c.shape.hidden;
    Values s(P[9]), hat1(at(w)), n1(at(w)), pre(P[15]), act(at(h)), final(P[17]);
    Values d_final(at(w)), d_act(at(h)), d_n1(at(w)), d_output(at(w));
    double inv1 = 0;
    apply(P[8], row(att, t, w), w, w, s.data());
    for (Index f = 0; f < w; ++f) s[at(f)] = s[at(f)] * kept(c.options, 1, n, f, w) + P[11][at(f)];
    apply(P[10], row(x, t, w), w, w, s.data());
    norm(s.data(), w, eps, hat1.data(), inv1);
    for (Index f = 0; f < w; ++f) n1[at(f)] = hat1[at(f)] * P[12][at(f)] + P[13][at(f)];
    apply(P[14], n1.data(), h, w, pre.data());
    for (Index f = 0; f < h; ++f)
      act[at(f)] = 0.5 * pre[at(f)] * (1 + std::erf(pre[at(f)] / std::sqrt(2.0))) * kept(c.options, 2, n, f, h);
    apply(P[16], act.data(), w, h, final.data());
    for (Index f = 0; f < w; ++f) {
      const double keep = kept(c.options, 3, n, f, w), d = c.d_out[at(n * w + f)];
      out[at(n * w + f)] = s[at(f)] + final[at(f)] * keep;
      d_final[at(f)] = d * keep;
      d_sum[at(t * w + f)] = d;
    }
    apply_back(P[16], act.data(), d_final.data(), w, h, gradient[16], gradient[17], d_act.data());
    for (Index f = 0; f < h; ++f) {
      const double z = pre[at(f)];
      d_act[at(f)] *= kept(c.options, 2, n, f, h) *
                      (0.5 * (1 + std::erf(z / std::sqrt(2.0))) + z * std::exp(-z * z / 2) * 0.39894228040143268);
    }
    apply_back(P[14], n1.data(), d_act.data(), h, w, gradient[14], gradient[15], d_n1.data());
    norm_back(hat1.data(), inv1, P[12], d_n1.data(), w, gradient[12], gradient[13], row(d_sum, t, w));
    for (Index f = 0; f < w; ++f) d_output[at(f)] = d_sum[at(t * w + f)] * kept(c.options, 1, n, f, w);
    apply_back(P[8], row(att, t, w), d_output.data(), w, w, gradient[8], gradient[9], row(d_att, t, w));
    apply_back(P[10], row(x, t, w), row(d_sum, t, w), w, w, gradient[10], gradient[11], row(d_in, t, w));
  }
  void attend_back(Index group) {
    for (Index head = 0; head < heads; ++head) {
      for (Index i = 0; i < T; ++i) {
        const double* const p = map_row(group, head, i);
        Values d(at(T));
        double mean = 0;
        for (Index j = 0; j < T; ++j) {
          for (Index f = head * hw; f < (head + 1) * hw; ++f) {
            d[at(j)] += d_att[at(i * w + f)] * v_[at(j * w + f)];
            d_v[at(j * w + f)] += d_att[at(i * w + f)] * dropped[at((head * T + i) * T + j)];
          }
          d[at(j)] *= map_keep(group, head, i, j);
          mean += p[j] * d[at(j)];
        }
        for (Index j = 0; j < T; ++j) {
          const double d_score = p[j] * (d[at(j)] - mean) * scale;
          for (Index f = head * hw; f < (head + 1) * hw; ++f) {
            d_q[at(i * w + f)] += d_score * k[at(j * w + f)];
            d_k[at(j * w + f)] += d_score * q[at(i * w + f)];
          }
        }
      }
    }
  }
  void project_back(Index group) {
    for (Index t = 0; t < T; ++t) {
      Values d_xn(at(w));
      apply_back(P[2], row(xn, t, w), row(d_q, t, w), w, w, gradient[2], gradient[3], d_xn.data());
      norm_back(row(hat, t, w), inv[at(t)], P[0], d_xn.data(), w, gradient[0], gradient[1], row(d_in, t, w));
      apply_back(P[4], row(x, t, w), row(d_k, t, w), w, w, gradient[4], gradient[5], row(d_in, t, w));
      apply_back(P[6], row(x, t, w), row(d_v, t, w), w, w, gradient[6], gradient[7], row(d_in, t, w));
      for (Index f = 0; f < w; ++f) d_x[at(c.token(group, t) * w + f)] = d_in[at(t * w + f)];
    }
  }

  const Values (&P)[kTensors] = c.tensor;
  const Index T = c.shape.tokens, w = c.shape.width, heads = c.shape.heads, hw = w / heads;
  const double eps = static_cast<double>(c.options.epsilon), scale = static_cast<double>(c.options.scale);
  Values x, hat, xn, q, k, v_, att, inv, dropped, d_sum, d_att, d_q, d_k, d_v, d_in;
};

// Aligned floats.
struct Buffer {
  std::vector<float> storage;
  float* data;
  explicit Buffer(std::size_t bytes) : storage(bytes / sizeof(float) + 32, -7.0e8F) {
    data = storage.data() + (64 - reinterpret_cast<std::uintptr_t>(storage.data()) % 64) % 64 / sizeof(float);
  }
};

// What the library computes for a case.
struct Computed {
  std::vector<float> out, inference, d_x, map, gradient[kTensors];

  Computed(const Case& c, AxialInstructions instructions, int threads, float gradient_start = 0.0F) {
    AxialBlockOptions options = c.options;
    options.instructions = instructions;
    options.threads = threads;
    std::vector<float> weights[kTensors];
    AxialBlockParams<const float*> params;
    AxialBlockParams<float*> grads;
    for (int i = 0; i < kTensors; ++i) {
      weights[i].assign(c.tensor[i].begin(), c.tensor[i].end());
      gradient[i].assign(weights[i].size(), gradient_start);
      (&params.norm_query_weight)[i] = weights[i].data();
      (&grads.norm_query_weight)[i] = gradient[i].data();
    }
    const std::vector<float> x(c.x.begin(), c.x.end()), d_out(c.d_out.begin(), c.d_out.end());
    out.assign(x.size(), -3.0F), inference = out, d_x = out;
    map.assign(
        static_cast<std::size_t>(c.shape.outer * c.shape.inner * c.shape.heads * c.shape.tokens * c.shape.tokens),
        -3.0F);
    Buffer saved(thaw::axial_block_saved_bytes(c.shape));
    Buffer scratch(thaw::axial_block_scratch_bytes(c.shape, threads, false));
    Buffer back(thaw::axial_block_scratch_bytes(c.shape, threads, true));
    thaw::axial_block_forward(c.shape, options, params, x.data(), inference.data(), nullptr, scratch.data);
    thaw::axial_block_forward(c.shape, options, params, x.data(), out.data(), saved.data, scratch.data);
    thaw::axial_block_backward(c.shape, options, params, x.data(), d_out.data(), saved.data, d_x.data(), grads,
                               back.data);
    const Index groups = c.shape.outer * c.shape.inner, half = groups / 2;
    const std::size_t each = static_cast<std::size_t>(c.shape.heads * c.shape.tokens * c.shape.tokens);
    thaw::axial_block_attention(c.shape, options, params, x.data(), 0, half, map.data(), scratch.data);
    thaw::axial_block_attention(c.shape, options, params, x.data(), half, groups,
                                map.data() + each * static_cast<std::size_t>(half), scratch.data);
  }
};

// |a - b| / |b| over all elements.
template <class A, class B>
double distance(const std::vector<A>& a, const std::vector<B>& b) {
  double off = 0, size = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    off += difference * difference;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return a.size() == b.size() ? std::sqrt(off / (size + 1e-30)) : 1.0;
}

const AxialInstructions kInstructions[] = {AxialInstructions::portable, AxialInstructions::avx2,
                                           AxialInstructions::avx512};
const AxialBlockShape kShapes[] = {{2, 32, 32, 144, 8, 576}, {1, 5, 7, 20, 2, 80},  {3, 9, 11, 16, 8, 64},
                                   {40, 9, 1, 16, 8, 64},    {3, 1, 5, 12, 3, 7},   {2, 40, 3, 24, 4, 33},
                                   {1, 17, 2, 6, 2, 50},     {33, 7, 2, 36, 2, 13}, {1, 1, 1, 1, 1, 1}};

TEST_CASE("axial block: the reference's gradients are those of central differences") {
  Case c({2, 3, 2, 6, 2, 5}, 0.25F, 3);
  const Reference reference(c);
  for (int i = 0; i < kTensors; ++i) {
    Values numeric(c.tensor[i].size());
    for (std::size_t j = 0; j < numeric.size(); ++j) {
      const double value = c.tensor[i][j];
      c.tensor[i][j] = value + 1e-5;
      const double above = Reference(c).loss();
      c.tensor[i][j] = value - 1e-5;
      numeric[j] = (above - Reference(c).loss()) / 2e-5;
      c.tensor[i][j] = value;
    }
    INFO(std::string(kNames[i]));
    // A key bias shifts all scores of a query alike, so its gradient is zero.
    if (i == 5)
      CHECK(std::fabs(*std::max_element(numeric.begin(), numeric.end())) < 1e-7);
    else
      CHECK(distance(reference.gradient[i], numeric) < 1e-6);
  }
}

TEST_CASE("axial block: forward, maps and gradients equal the reference") {
  for (const AxialBlockShape& shape : kShapes) {
    for (const float dropout : {0.0F, 0.1F}) {
      const Case c(shape, dropout, static_cast<unsigned>(shape.tokens));
      const Reference reference(c);
      for (const AxialInstructions instructions : kInstructions) {
        const Computed computed(c, instructions, 1);
        INFO("tokens ", shape.tokens, " width ", shape.width, " dropout ", dropout, " instructions ",
             static_cast<int>(instructions));
        CHECK(distance(computed.inference, reference.out) < 5e-6);
        CHECK(distance(computed.out, reference.out) < 5e-6);
        CHECK(distance(computed.map, reference.map) < 5e-6);
        CHECK(distance(computed.d_x, reference.d_x) < 2e-5);
        for (int i = 0; i < kTensors; ++i) {
          INFO(std::string(kNames[i]));
          double size = 0;
          for (const double g : reference.gradient[i]) size += g * g;
          if (std::sqrt(size) > 1e-8) CHECK(distance(computed.gradient[i], reference.gradient[i]) < 2e-5);
        }
      }
    }
  }
}

TEST_CASE("axial block: chosen rows equal those of the whole, and the others stay") {
  for (const AxialBlockShape& shape : kShapes) {
    const Case c(shape, 0.0F, 6);
    const Reference reference(c);
    std::vector<float> weights[kTensors];
    AxialBlockParams<const float*> params;
    for (int i = 0; i < kTensors; ++i) {
      weights[i].assign(c.tensor[i].begin(), c.tensor[i].end());
      (&params.norm_query_weight)[i] = weights[i].data();
    }
    const std::vector<float> x(c.x.begin(), c.x.end());
    const Index ranges[][2] = {
        {0, shape.tokens}, {shape.tokens / 2, shape.tokens / 2 + 1}, {shape.tokens / 3, shape.tokens}};
    for (const auto& range : ranges) {
      for (const AxialInstructions instructions : kInstructions) {
        AxialBlockOptions options = c.options;
        options.instructions = instructions;
        options.threads = 2;
        Buffer scratch(thaw::axial_block_scratch_bytes(shape, options.threads, false));
        std::vector<float> out(x.size(), -3.0F);
        thaw::axial_block_forward_rows(shape, options, params, x.data(), range[0], range[1], out.data(), scratch.data);
        Values expected(reference.out);
        for (Index i = 0; i < static_cast<Index>(out.size()); ++i) {
          const Index token = i / (shape.inner * shape.width) % shape.tokens;
          if (token < range[0] || token >= range[1]) expected[at(i)] = -3.0;
        }
        INFO("tokens ", shape.tokens, " width ", shape.width, " rows ", range[0], " to ", range[1]);
        CHECK(distance(out, expected) < 5e-6);
      }
    }
  }
}

// The polynomials are the same for all instructions; these four lanes need none that the test lacks.
TEST_CASE("axial block: exponential and GELU are near those in double precision") {
  namespace portable = thaw::detail::axial_portable;
  double worst_exponential = 0, worst_gelu = 0, worst_slope = 0;
  for (int i = 0; i <= 200000; ++i) {
    const float x = -10.0F + 1e-4F * static_cast<float>(i), below = -87.0F * static_cast<float>(i) / 200000.0F;
    float e[4], y[4], slope[4];
    portable::Vec derivative;
    portable::store_loose(e, portable::exponential(portable::splat(below)));
    portable::store_loose(y, portable::gelu_and_slope(portable::splat(x), derivative));
    portable::store_loose(slope, derivative);
    const double z = static_cast<double>(x), phi = 0.5 * (1 + std::erf(z / std::sqrt(2.0)));
    const double exact = std::exp(static_cast<double>(below));
    worst_exponential = (std::max)(worst_exponential, std::fabs(static_cast<double>(e[1]) / exact - 1));
    worst_gelu = (std::max)(worst_gelu, std::fabs(static_cast<double>(y[2]) - z * phi) / (std::max)(1.0, std::fabs(z)));
    worst_slope = (std::max)(
        worst_slope, std::fabs(static_cast<double>(slope[3]) - phi - z * 0.39894228040143268 * std::exp(-z * z / 2)));
  }
  CHECK(worst_exponential < 2.5e-7);
  CHECK(worst_gelu < 4e-7);
  CHECK(worst_slope < 6e-7);
}

TEST_CASE("axial block: two threads give what one gives, and gradients are added to") {
  for (const AxialBlockShape& shape : {kShapes[0], kShapes[3], kShapes[5]}) {
    const Case c(shape, 0.1F, 5);
    const Computed one(c, AxialInstructions::automatic, 1), two(c, AxialInstructions::automatic, 2);
    const Computed again(c, AxialInstructions::automatic, 2), shifted(c, AxialInstructions::automatic, 1, 2.0F);
    CHECK(one.out == two.out);
    CHECK(one.d_x == two.d_x);
    for (int i = 0; i < kTensors; ++i) {
      INFO(std::string(kNames[i]));
      CHECK(two.gradient[i] == again.gradient[i]);
      if (i != 5) CHECK(distance(two.gradient[i], one.gradient[i]) < 1e-5);
      for (std::size_t j = 0; j < one.gradient[i].size(); ++j)
        if (!(std::fabs(shifted.gradient[i][j] - 2.0F - one.gradient[i][j]) <=
              1e-5F * (4.0F + std::fabs(one.gradient[i][j]))))
          CHECK(shifted.gradient[i][j] == one.gradient[i][j] + 2.0F);
    }
  }
}

TEST_CASE("axial block: with one token attention passes the value through") {
  const AxialBlockShape shape{1, 1, 3, 8, 2, 4};
  Case c(shape, 0.0F, 9);
  for (const int zero : {16, 17, 10, 11}) std::fill(c.tensor[zero].begin(), c.tensor[zero].end(), 0.0);
  const Computed computed(c, AxialInstructions::automatic, 1);
  for (const float p : computed.map) CHECK(p == 1.0F);
  Values expected;
  for (Index n = 0; n < 3; ++n) {
    Values value(c.tensor[7]), output(c.tensor[9]);
    apply(c.tensor[6], c.x.data() + n * 8, 8, 8, value.data());
    apply(c.tensor[8], value.data(), 8, 8, output.data());
    expected.insert(expected.end(), output.begin(), output.end());
  }
  CHECK(distance(computed.inference, expected) < 1e-6);
}

TEST_CASE("axial block: equal tokens attend evenly, and large scores stay finite") {
  Case c({1, 20, 1, 8, 2, 16}, 0.0F, 2);
  for (std::size_t i = 0; i < c.x.size(); ++i) c.x[i] = c.x[i % 8];
  for (const float p : Computed(c, AxialInstructions::automatic, 1).map) CHECK(p == doctest::Approx(0.05));
  Case large({1, 20, 1, 8, 2, 16}, 0.0F, 4);
  large.options.scale = 1000.0F;
  const Computed computed(large, AxialInstructions::automatic, 1);
  CHECK(distance(computed.map, Reference(large).map) < 1e-2);
  for (const float y : computed.out) CHECK(std::isfinite(y));
}

TEST_CASE("axial block: sizes are those of the plan") {
  const AxialBlockShape shape{8, 32, 32, 144, 8, 576};
  // Nine widths of floats a token and one bit for each dropout decision.
  CHECK(thaw::axial_block_saved_bytes(shape) <= static_cast<std::size_t>(8192 * (9 * 144 + 40) * 4));
  CHECK(thaw::axial_block_scratch_bytes(shape, 2, false) < 2 * 1024 * 1024 + 1100000);
  CHECK(thaw::axial_block_scratch_bytes(shape, 2, true) > thaw::axial_block_scratch_bytes(shape, 1, true));
}

}  // namespace
