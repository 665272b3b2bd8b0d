// T5 by plain loops over doubles, written from the paper and the names of the published file alone: padded batches with
// additive masks, no caches, nothing of the library. And weights by a formula, so that no file is needed.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace t5_reference {

using Numbers = std::vector<double>;

// Element i of the tensor `name`: uniform with the given deviation, from a hash of both; the same in
// elmrec_t5_golden.py.
inline double formula(const std::string& name, std::size_t i, double middle, double deviation) {
  std::uint32_t h = 2166136261u;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  h += static_cast<std::uint32_t>(i) * 2654435761u;
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  h ^= h >> 16;
  const double u = static_cast<double>(h) / 4294967296.0 - 0.5;
  return static_cast<double>(static_cast<float>(middle + std::sqrt(12.0) * deviation * u));
}

struct Sizes {
  std::size_t vocab, d, kv, heads, ff;
  int layers, decoder_layers;
};

inline double deviation_of(const std::string& name, const Sizes& s) {
  const auto ends = [&](const char* end) {
    return name.size() >= std::string(end).size() && name.rfind(end) == name.size() - std::string(end).size();
  };
  const auto root = [](std::size_t n) { return 1 / std::sqrt(static_cast<double>(n)); };
  if (ends("layer_norm.weight")) return 0.2;
  if (name == "shared.weight" || ends("bias.weight")) return 1;
  if (ends(".q.weight")) return 1.5 * root(s.d * s.kv);
  if (ends(".o.weight")) return root(s.heads * s.kv);
  if (ends(".wo.weight")) return root(s.ff);
  return root(s.d);
}
inline double weight(const std::string& name, std::size_t i, const Sizes& s) {
  return formula(name, i, name.find("layer_norm") == std::string::npos ? 0 : 1, deviation_of(name, s));
}

class Reference {
 public:
  explicit Reference(const Sizes& sizes) : s_(sizes) {}

  // Logits (batch, answer, vocab) of padded rows: input (batch, in_length) with `in_sizes` tokens each, answer likewise
  // as the decoder reads it.
  Numbers logits(const std::vector<std::vector<int>>& input, const std::vector<std::vector<int>>& answer) {
    std::size_t in_length = 0, out_length = 0;
    for (const auto& row : input) in_length = row.size() > in_length ? row.size() : in_length;
    for (const auto& row : answer) out_length = row.size() > out_length ? row.size() : out_length;
    Numbers all;
    for (std::size_t b = 0; b < input.size(); ++b) {
      Numbers memory = embed(input[b], in_length);
      for (int i = 0; i < s_.layers; ++i) {
        const std::string block = "encoder.block." + std::to_string(i) + ".layer.";
        attend(memory, memory, true, block + "0", "SelfAttention", "encoder", input[b].size(), false);
        feed(memory, block + "1");
      }
      memory = norm(memory, "encoder.final_layer_norm.weight");
      Numbers y = embed(answer[b], out_length);
      for (int i = 0; i < s_.decoder_layers; ++i) {
        const std::string block = "decoder.block." + std::to_string(i) + ".layer.";
        attend(y, y, true, block + "0", "SelfAttention", "decoder", out_length, true);
        attend(y, memory, false, block + "1", "EncDecAttention", "", input[b].size(), false);
        feed(y, block + "2");
      }
      y = norm(y, "decoder.final_layer_norm.weight");
      for (double& v : y) v /= std::sqrt(static_cast<double>(s_.d));
      const Numbers rows = linear(y, "shared.weight", s_.d, s_.vocab);
      all.insert(all.end(), rows.begin(), rows.end());
    }
    return all;
  }

 private:
  const Numbers& tensor(const std::string& name, std::size_t size) {
    Numbers& t = tensors_[name];
    for (std::size_t i = t.size(); i < size; ++i) t.push_back(weight(name, i, s_));
    return t;
  }
  Numbers embed(const std::vector<int>& tokens, std::size_t length) {
    const Numbers& table = tensor("shared.weight", s_.vocab * s_.d);
    Numbers x(length * s_.d);
    for (std::size_t t = 0; t < length; ++t) {
      const auto id = static_cast<std::size_t>(t < tokens.size() ? tokens[t] : 0);  // padding is piece 0
      for (std::size_t j = 0; j < s_.d; ++j) x[t * s_.d + j] = table[id * s_.d + j];
    }
    return x;
  }
  Numbers norm(const Numbers& x, const std::string& name) {
    const Numbers& w = tensor(name, s_.d);
    Numbers y(x.size());
    for (std::size_t r = 0; r < x.size() / s_.d; ++r) {
      double squares = 0;
      for (std::size_t j = 0; j < s_.d; ++j) squares += x[r * s_.d + j] * x[r * s_.d + j];
      const double root = std::sqrt(squares / static_cast<double>(s_.d) + 1e-6);
      for (std::size_t j = 0; j < s_.d; ++j) y[r * s_.d + j] = x[r * s_.d + j] / root * w[j];
    }
    return y;
  }
  // x (rows, in) times the transpose of the tensor (out, in).
  Numbers linear(const Numbers& x, const std::string& name, std::size_t in, std::size_t out) {
    const Numbers& w = tensor(name, in * out);
    Numbers y(x.size() / in * out);
    for (std::size_t r = 0; r < x.size() / in; ++r)
      for (std::size_t o = 0; o < out; ++o) {
        double sum = 0;
        for (std::size_t i = 0; i < in; ++i) sum += x[r * in + i] * w[o * in + i];
        y[r * out + o] = sum;
      }
    return y;
  }
  void feed(Numbers& x, const std::string& layer) {
    Numbers h = linear(norm(x, layer + ".layer_norm.weight"), layer + ".DenseReluDense.wi.weight", s_.d, s_.ff);
    for (double& v : h) v = v > 0 ? v : 0;
    add(x, linear(h, layer + ".DenseReluDense.wo.weight", s_.ff, s_.d));
  }
  static void add(Numbers& x, const Numbers& more) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += more[i];
  }
  // The first distance of every bucket, from the tables of the published code.
  static std::size_t bucket(long distance, bool decoder) {
    static const long encoder_first[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
    static const long decoder_first[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                         16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};
    const long far = decoder ? (distance < 0 ? -distance : 0) : std::labs(distance);
    const long* first = decoder ? decoder_first : encoder_first;
    std::size_t found = 0;
    for (std::size_t i = 0; i < (decoder ? 32u : 16u); ++i)
      if (far >= first[i]) found = i;
    return found + (!decoder && distance > 0 ? 16 : 0);
  }
  // x += attention; keys from `seen` on are masked, and later ones where causal.
  void attend(Numbers& x, const Numbers& from, bool own, const std::string& layer, const std::string& kind,
              const std::string& stack, std::size_t seen, bool causal) {
    const std::size_t inner = s_.heads * s_.kv;
    const Numbers normal = norm(x, layer + ".layer_norm.weight");
    const Numbers& keys_from = own ? normal : from;
    const Numbers q = linear(normal, layer + "." + kind + ".q.weight", s_.d, inner);
    const Numbers k = linear(keys_from, layer + "." + kind + ".k.weight", s_.d, inner);
    const Numbers v = linear(keys_from, layer + "." + kind + ".v.weight", s_.d, inner);
    const std::size_t rows = q.size() / inner, keys = k.size() / inner;
    Numbers mixed(rows * inner), w(keys);
    for (std::size_t h = 0; h < s_.heads; ++h)
      for (std::size_t a = 0; a < rows; ++a) {
        double sum = 0;
        for (std::size_t b = 0; b < keys; ++b) {
          double score = 0;
          for (std::size_t c = 0; c < s_.kv; ++c) score += q[a * inner + h * s_.kv + c] * k[b * inner + h * s_.kv + c];
          if (!stack.empty()) {
            const Numbers& table =
                tensor(stack + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight", 32 * s_.heads);
            score += table[bucket(static_cast<long>(b) - static_cast<long>(a), stack == "decoder") * s_.heads + h];
          }
          w[b] = b >= seen || (causal && b > a) ? 0 : std::exp(score);
          sum += w[b];
        }
        for (std::size_t b = 0; b < keys; ++b)
          for (std::size_t c = 0; c < s_.kv; ++c)
            mixed[a * inner + h * s_.kv + c] += w[b] / sum * v[b * inner + h * s_.kv + c];
      }
    add(x, linear(mixed, layer + "." + kind + ".o.weight", inner, s_.d));
  }

  Sizes s_;
  std::map<std::string, Numbers> tensors_;
};

// The sequences that the reference and PyTorch were given.
inline std::vector<std::vector<int>> sequences(const std::vector<std::size_t>& lengths, int vocab, int salt) {
  std::vector<std::vector<int>> all;
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    all.emplace_back();
    for (std::size_t t = 0; t < lengths[b]; ++t)
      all.back().push_back(1 + static_cast<int>((b * 131 + t * 37 + static_cast<std::size_t>(salt)) %
                                                (static_cast<std::size_t>(vocab) - 1)));
  }
  return all;
}

}  // namespace t5_reference
