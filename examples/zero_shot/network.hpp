// The network that weighs evidence: an MLP over the features of a pair, one number out.
//
//   zero_shot::Network network(zero_shot::kFeatures, /*seed*/ 1);
//   network.step(rate, positive_rows, negative_rows);                       // BPR on pairs of rows
//   network.score(rows, scores, arena);                                     // frozen, safe from many threads
//   thaw::Result<thaw::Done> saved = network.save("weights.safetensors", {"lastfm"});
//
// About 1,700 weights at 34 inputs. Not for ids: it never sees one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thaw/autodiff/gradient.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/file/save_model.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/nn/mlp.hpp"
#include "thaw/optim/adam.hpp"

namespace zero_shot {

using Backend = thaw::CpuEigen;
using FloatArray = thaw::Array<float, Backend>;
using Plan = thaw::Mlp<thaw::Spec>;

inline constexpr const char* kModelKind = "zero-shot pair evidence 2";  // features of another meaning: another number

class Network {
 public:
  using Model = thaw::ModelOf<Plan, FloatArray>;

  Network(int inputs, std::uint64_t seed, int width = 32)
      : inputs_(inputs),
        weights_{&weight_arena_, 1},
        context_{&arena_, 1},
        parameters_(thaw::mlp_spec({inputs, width, width / 2, 1}, thaw::Activation::relu), weights_, seed),
        tape_(context_),
        adam_(parameters_) {}

  int inputs() const { return inputs_; }
  const Model& values() const { return parameters_.values(); }
  std::int64_t parameter_count() const { return thaw::parameter_count(parameters_.values()); }

  // One step of Adam on the mean BPR loss of (pairs, inputs) rows; returns the loss before it.
  double step(double rate, std::span<const float> positive, std::span<const float> negative) {
    thaw::Scope scope(tape_);
    const auto net = parameters_.on(tape_);
    const auto loss = thaw::bpr(net(rows(positive, context_)), net(rows(negative, context_)));
    adam_.step(parameters_, parameters_.gradient(loss), rate);
    return static_cast<double>(loss.item());
  }
  // out[i]: the score of row i of (rows, inputs). `arena` is the caller's scratch.
  void score(std::span<const float> input, std::span<float> out, thaw::Arena& arena) const {
    thaw::ArenaScope scope(arena);
    Backend::Context context{&arena, 1};
    const auto net =
        thaw::map_unnamed<FloatArray>(values(), [&](const FloatArray& a) { return thaw::on<Backend>(context, a); });
    const FloatArray y = net(rows(input, context));
    std::copy(y.begin(), y.end(), out.begin());
  }

  thaw::Result<thaw::Done> save(const std::string& path, const std::vector<std::string>& sources) const {
    return thaw::save_model(
        path, values(),
        {{"kind", kModelKind}, {"inputs", thaw::encode_integer(inputs_)}, {"sources", thaw::encode_list(sources)}});
  }
  // The file must have been made for the same features.
  thaw::Result<thaw::Done> load(const std::string& path) {
    const thaw::Result<thaw::SafetensorsFile> file = thaw::SafetensorsFile::open(path);
    if (!file) return file.fault();
    const thaw::Result<std::string> kind = thaw::metadata_text(file.value().view(), "kind");
    if (!kind || kind.value() != kModelKind)
      return thaw::make_fault(thaw::FaultKind::mismatch, path.c_str(), ": expected a model of kind '", kModelKind,
                              "', found '", kind ? kind.value().c_str() : "none", "'; train it again");
    return thaw::load_into(values(), path);
  }
  // A number that changes with any bit of any weight.
  std::uint64_t fingerprint() const {
    std::uint64_t hash = 14695981039346656037ull;
    thaw::for_each_unnamed(
        [&](const FloatArray& a) {
          for (const float x : a) hash = (hash ^ __builtin_bit_cast(std::uint32_t, x)) * 1099511628211ull;
        },
        values());
    return hash;
  }

 private:
  FloatArray rows(std::span<const float> input, Backend::Context& context) const {
    return FloatArray::view(context, input.data(),
                            {static_cast<thaw::Index>(input.size()) / inputs_, static_cast<thaw::Index>(inputs_)});
  }

  int inputs_;
  thaw::GrowingArena weight_arena_, arena_;
  Backend::Context weights_, context_;
  thaw::Parameters<Plan, float, Backend> parameters_;
  thaw::Tape<float, Backend> tape_;
  thaw::Adam<float, Backend> adam_;
};

}  // namespace zero_shot
