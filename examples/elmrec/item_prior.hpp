// ItemPrior: what speaks for an item before its number is spelled: the prompt's state and the graph, mixed.
//
//   elmrec::ItemPrior prior(graph, keys, width);
//   prior.signs(question, state, items, out);              // (items, kSigns)
//   elmrec::Mix mix = trainer.fit(validation, task);       // weights that make validation answers likeliest
//   prior.score(question, state, mix, items, scores);
//
// Signs: state . k(item); the three numbers of evidence.hpp; where graph vectors are given, the product of the item's
// with the vector that one step from her history gives the user, who needs none of her own.
//
// Weights are few and are fitted on validation questions, by maximum likelihood of the answer among its candidates (a
// conditional logit: McFadden, 1974), as the training pairs are what the keys were fitted to. Not a network.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "elmrec/evaluation.hpp"
#include "elmrec/evidence.hpp"
#include "elmrec/graph_features.hpp"
#include "thaw/backend/kernels/vector_math_rows.hpp"

namespace elmrec {

inline constexpr int kSigns = 2 + static_cast<int>(kEvidence);

// Weights of the signs, and of the log-probability of the number.
struct Mix {
  std::array<double, kSigns> sign{};
  double text = 0;

  double of(const float* signs) const {
    double sum = 0;
    for (int k = 0; k < kSigns; ++k) sum += sign[static_cast<std::size_t>(k)] * static_cast<double>(signs[k]);
    return sum;
  }
};

class ItemPrior {
 public:
  // keys (items, width). `step` gives users' vectors and is null without graph vectors; `given` (items, its width) are
  // those of the items. Graph and step must live on.
  ItemPrior(const thaw::PropagationGraph& graph, std::vector<float> keys, thaw::Index width,
            const GraphFeatures* step = nullptr, std::vector<float> given = {})
      : evidence_(graph),
        keys_(std::move(keys)),
        width_(width),
        step_(step),
        given_(std::move(given)),
        user_(static_cast<std::size_t>(step != nullptr ? step->width() : 0)),
        isa_(thaw::detect_isa()) {}

  thaw::Index width() const { return width_; }
  // To be set for items that were not learnt.
  std::span<float> key(std::int32_t item) {
    return std::span(keys_).subspan(static_cast<std::size_t>(item * width_), static_cast<std::size_t>(width_));
  }

  std::span<float> given(std::int32_t item) {
    return std::span(given_).subspan(static_cast<std::size_t>(item) * user_.size(), user_.size());
  }

  // state (width); out (items, kSigns).
  void signs(const Question& q, const float* state, std::span<const std::int32_t> items, float* out) {
    found_.resize(items.size() * static_cast<std::size_t>(kEvidence));
    evidence_.about(q.user, q.history, items, -1, found_.data());
    if (step_ != nullptr) step_->new_user(q.history, user_);
    const auto given = static_cast<thaw::Index>(user_.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      float* const row = out + i * kSigns;
      row[0] = thaw::dot(isa_, width_, state, keys_.data() + items[i] * width_);
      for (std::size_t k = 0; k < kEvidence; ++k) row[1 + k] = found_[i * kEvidence + k];
      row[kSigns - 1] =
          step_ != nullptr ? thaw::dot(isa_, given, user_.data(), given_.data() + items[i] * given) : 0.0f;
    }
  }
  void score(const Question& q, const float* state, const Mix& mix, std::span<const std::int32_t> items,
             std::span<float> out) {
    if (mix.sign == std::array<double, kSigns>{1}) {  // no need of the graph
      for (std::size_t i = 0; i < items.size(); ++i)
        out[i] = thaw::dot(isa_, width_, state, keys_.data() + items[i] * width_);
      return;
    }
    signs_.resize(items.size() * kSigns);
    signs(q, state, items, signs_.data());
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = static_cast<float>(mix.of(signs_.data() + i * kSigns));
  }

 private:
  Evidence evidence_;
  std::vector<float> keys_;
  thaw::Index width_;
  const GraphFeatures* step_;
  std::vector<float> given_, user_;  // (items, its width), (its width)
  thaw::Isa isa_;
  std::vector<float> found_, signs_;
};

// A scorer for evaluation.hpp; states (questions, width).
class PriorScorer {
 public:
  PriorScorer(ItemPrior& prior, std::span<const float> states, const Mix& mix)
      : prior_(prior), states_(states), mix_(mix) {}
  void score(const Question& q, std::span<const std::int32_t> items, std::span<float> out) {
    prior_.score(q, states_.data() + q.index * static_cast<std::size_t>(prior_.width()), mix_, items, out);
  }

 private:
  ItemPrior& prior_;
  std::span<const float> states_;
  Mix mix_;
};

}  // namespace elmrec
