// Skip-gram with negative sampling over walks: a vector for every node, so that nodes met together have a large dot
// product (Mikolov et al., NIPS 2013; over walks: Perozzi et al., KDD 2014).
//
//   auto vectors = thaw::train_skip_gram(walks, graph.rows(), {.width = 64, .seed = 7});
//   if (vectors) std::span<const float> v = vectors.value().row(node);
//
// For every place of a walk a window b is drawn from 1 .. window; each node within b is one pair with the centre:
//   g = (label - sigmoid(<in[node], out[target]>)) * rate    for the centre (label 1) and `negatives` others (label 0)
// drawn in proportion to count^0.75; one that is the centre itself is left out. All g of a pair come from the vectors
// before it. Without threads the result is a function of the settings and the instruction set alone. With threads the
// updates of several walks meet without locks (Hogwild: Recht et al., NIPS 2011): faster, as good, never the same
// twice. No subsampling of frequent nodes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/backend/kernels/lanes.hpp"
#include "thaw/backend/threads.hpp"
#include "thaw/core/error.hpp"
#include "thaw/graph/alias_table.hpp"
#include "thaw/graph/random_words.hpp"
#include "thaw/graph/walks.hpp"

#define THAW_KERNEL_FILE "thaw/graph/kernels/skip_gram_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"

namespace thaw::inline v0 {

struct SkipGramOptions {
  Index width = 64;
  int window = 5;
  int negatives = 5;
  int epochs = 1;                 // passes over the walks
  double learning_rate = 0.025;   // falls linearly to a ten-thousandth
  double power = 0.75;            // of the counts, for negatives
  bool shared_negatives = false;  // one set for all pairs of a centre: faster, another algorithm
  std::uint64_t seed = 1;
  int threads = 1;  // above 1: without locks, not reproducible
};

// Vectors of all nodes, row-major. A node in no walk keeps its random start.
struct NodeVectors {
  Index count = 0, width = 0;
  std::vector<float> input;   // (count, width): what is used afterwards
  std::vector<float> output;  // (count, width): the other side of the dot products

  std::span<const float> row(std::int32_t node) const {
    return {input.data() + node * width, static_cast<std::size_t>(width)};
  }
};

namespace detail {

inline Result<Done> check_skip_gram(const Walks& walks, Index nodes, const SkipGramOptions& o) {
  if (o.width < 1 || o.width > 4096 || o.window < 1 || o.window > 1000 || o.negatives < 1 ||
      o.negatives >= kSkipGramTargets || o.epochs < 1 || o.threads < 1 || !(o.learning_rate > 0) ||
      !(o.learning_rate < 10) || !(o.power >= 0) || o.power > 4) {
    return make_fault(FaultKind::out_of_range, "skip-gram: width ", o.width, ", window ", o.window, ", negatives ",
                      o.negatives, ", epochs ", o.epochs, ", threads ", o.threads, ", rate ", o.learning_rate,
                      ", power ", o.power, "; counts are at least 1, negatives at most ", kSkipGramTargets - 1,
                      ", the rate above 0, the power 0 to 4");
  }
  for (const std::int32_t node : walks.nodes)
    if (node < -1 || node >= nodes)
      return make_fault(FaultKind::out_of_range, "skip-gram: a walk has node ", node, " of ", nodes);
  return Done{};
}

// Trains walk after walk; one a thread. Allocates nothing after its construction.
class SkipGramWorker {
 public:
  SkipGramWorker(const Walks& walks, const AliasTable& noise, const SkipGramOptions& o, NodeVectors& vectors)
      : walks_(walks),
        noise_(noise),
        o_(o),
        vectors_(vectors),
        isa_(detect_isa()),
        windows_(isa_, Key{o.seed}.fold(0x77696e64).bits),
        noise_words_(isa_, Key{o.seed}.fold(0x6e6f6973).bits),
        scratch_(static_cast<std::size_t>(o.width)),
        reach_(static_cast<std::size_t>(walks.length)),
        context_(2 * static_cast<std::size_t>(o.window)) {
    const Index most = walks.length * 2 * (std::min<Index>)(o.window, walks.length) * o.negatives;
    noise_words_.fill(0, 2 * most);
    negatives_.assign(static_cast<std::size_t>(most + o.negatives), 0);
  }

  // Walk w of a pass at the given learning rate.
  void train(Index w, int pass, double rate) {
    const auto walk = walks_.walk(w);
    Index length = 0;
    while (length < walks_.length && walk[static_cast<std::size_t>(length)] >= 0) ++length;
    const std::uint64_t stream =
        static_cast<std::uint64_t>(pass) * static_cast<std::uint64_t>(walks_.count()) + static_cast<std::uint64_t>(w);
    draw_negatives(stream, draw_windows(stream, length) * o_.negatives);
    const std::int32_t* negatives = negatives_.data();
    for (Index i = 0; i < length; ++i) {
      const Index reach = reach_[static_cast<std::size_t>(i)];
      Index contexts = 0;
      for (Index c = (std::max)(Index{0}, i - reach); c <= (std::min)(length - 1, i + reach); ++c)
        if (c != i) context_[static_cast<std::size_t>(contexts++)] = walk[static_cast<std::size_t>(c)];
      const SkipGramWindow window{.input = vectors_.input.data(),
                                  .output = vectors_.output.data(),
                                  .width = vectors_.width,
                                  .centre = walk[static_cast<std::size_t>(i)],
                                  .contexts = contexts,
                                  .context = context_.data(),
                                  .negatives = negatives,
                                  .negative_count = o_.negatives,
                                  .shared = o_.shared_negatives,
                                  .rate = static_cast<float>(rate),
                                  .scratch = scratch_.data()};
      THAW_DISPATCH(isa_, skip_gram_window(window));
      negatives += (o_.shared_negatives ? 1 : contexts) * o_.negatives;
    }
  }

 private:
  // How far each place looks; the sets of negatives that the walk needs.
  Index draw_windows(std::uint64_t stream, Index length) {
    windows_.fill(stream, length);
    Index sets = 0;
    for (Index i = 0; i < length; ++i) {
      const Index reach = 1 + static_cast<Index>(word_below(windows_.at(i), static_cast<std::uint32_t>(o_.window)));
      reach_[static_cast<std::size_t>(i)] = reach;
      sets += o_.shared_negatives ? 1 : (std::min)(i, reach) + (std::min)(length - 1 - i, reach);
    }
    return sets;
  }
  void draw_negatives(std::uint64_t stream, Index count) {
    noise_words_.fill(stream, 2 * count);
    for (Index i = 0; i < count; ++i)
      negatives_[static_cast<std::size_t>(i)] = noise_.draw(noise_words_.at(2 * i), noise_words_.at(2 * i + 1));
  }

  const Walks& walks_;
  const AliasTable& noise_;
  const SkipGramOptions& o_;
  NodeVectors& vectors_;
  Isa isa_;
  WordBlock windows_, noise_words_;
  std::vector<float> scratch_;           // (width)
  std::vector<Index> reach_;             // (length)
  std::vector<std::int32_t> context_;    // (2 window)
  std::vector<std::int32_t> negatives_;  // one set a pair, and one behind the last
};

inline NodeVectors start_vectors(Index nodes, const SkipGramOptions& o) {
  NodeVectors vectors{nodes, o.width, {}, {}};
  vectors.input.resize(static_cast<std::size_t>(nodes * o.width));
  vectors.output.assign(vectors.input.size(), 0.0f);
  Philox rng(Key{o.seed}.fold(0x73746172));
  const float scale = 1.0f / static_cast<float>(o.width);
  for (float& v : vectors.input) v = (static_cast<float>(rng.next() >> 8) * 0x1.0p-24f - 0.5f) * scale;
  return vectors;
}

}  // namespace detail

// Vectors of `node_count` nodes from walks over them. Errors: a setting out of range, a node that does not exist, walks
// without a node.
inline Result<NodeVectors> train_skip_gram(const Walks& walks, Index node_count, const SkipGramOptions& options = {}) {
  const auto checked = detail::check_skip_gram(walks, node_count, options);
  if (!checked) return checked.fault();
  std::vector<double> counts(static_cast<std::size_t>(node_count), 0.0);
  for (const std::int32_t node : walks.nodes)
    if (node >= 0) counts[static_cast<std::size_t>(node)] += 1;
  for (double& c : counts) c = c > 0 ? std::pow(c, options.power) : 0.0;
  const auto noise = AliasTable::from_weights(counts);
  if (!noise)
    return make_fault(FaultKind::out_of_range, "skip-gram: the walks visit none of ", node_count,
                      " nodes; is the graph without edges?");
  NodeVectors vectors = detail::start_vectors(node_count, options);
  const Index n = walks.count();
  const double total = static_cast<double>(n) * options.epochs;
  // Threads take turns by blocks of walks, so that all of them are at about the same learning rate.
  constexpr Index kBlock = 64;
  in_parallel(options.threads, [&](int part) {
    detail::SkipGramWorker worker(walks, noise.value(), options, vectors);
    for (int pass = 0; pass < options.epochs; ++pass)
      for (Index begin = part * kBlock; begin < n; begin += options.threads * kBlock)
        for (Index w = begin; w < (std::min)(n, begin + kBlock); ++w) {
          const double done = (static_cast<double>(n) * pass + static_cast<double>(w)) / total;
          worker.train(w, pass, options.learning_rate * (std::max)(1e-4, 1 - done));
        }
  });
  return vectors;
}

}  // namespace thaw::inline v0
