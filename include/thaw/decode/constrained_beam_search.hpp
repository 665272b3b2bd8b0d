// ConstrainedBeamSearch: the best ids that a language model can spell, and nothing but ids.
//
//   thaw::ConstrainedBeamSearch search({.beams = 20, .results = 10});
//   model.start(prompts);                                     // the model reads its prompts, once
//   search.run(model, allowed);                               // allowed: one trie and mask a prompt
//   for (const thaw::FoundId& found : search.found(prompt)) use(found.id, found.score);
//
// A hypothesis is a path of the trie; its score the sum of the log-probabilities of its tokens, the end token among
// them, and what is known of its id beforehand: score = language_weight x log-probability + prior[id]. A path is
// ordered by the best that may become of it, its own sum and the highest prior of the ids below. That only ever falls,
// so finished and unfinished hypotheses compete in one pool of `beams`, and no length penalty is needed: ids of more
// pieces are not favoured as a mean would favour them. With as many beams as leaves the result is the exhaustive
// ranking; with one beam it is greedy. Every unfinished hypothesis leads to an allowed id, so that at least min(beams,
// allowed ids) come back, each once. Ties: the earlier hypothesis, then the lower token. A path that only one id is
// left for is finished at once where probabilities are shares of what is allowed: what is certain needs no step. No
// allocation once the largest batch has been seen. Not a search of free text: beam_search.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/decode/leaf_bounds.hpp"
#include "thaw/decode/step_model.hpp"

namespace thaw::inline v0 {

// What the probability of a token is a share of.
enum class Normalise : std::uint8_t {
  allowed,     // the children of the node that still lead to an allowed id: only their logits are needed
  vocabulary,  // the first `vocabulary` tokens, as in training: hiding an id raises no other
};

struct ConstrainedBeamOptions {
  std::int32_t beams = 20;
  std::int32_t results = 10;  // at most `beams`
  Normalise normalise = Normalise::allowed;
  std::int32_t vocabulary = 0;   // for Normalise::vocabulary
  std::int32_t start_token = 0;  // what the decoder is fed first
  double language_weight = 1;    // of log-probabilities, against the priors; not below 0
};

struct AllowedIds {
  const TokenTrie* trie = nullptr;
  const LeafMask* mask = nullptr;  // null: nothing is hidden
  const float* prior = nullptr;    // (trie's id_limit), null: 0 for all; minus infinity hides an id
};

struct FoundId {
  std::int32_t id = -1;
  double score = 0;  // language_weight x sum of log-probabilities, and the prior
};

class ConstrainedBeamSearch {
 public:
  explicit ConstrainedBeamSearch(const ConstrainedBeamOptions& options) : o_(options) {
    require(o_.beams >= 1 && o_.results >= 1 && o_.results <= o_.beams, "ConstrainedBeamSearch: ", o_.beams,
            " beams and ", o_.results, " results; expected 1 <= results <= beams");
    require(o_.normalise == Normalise::allowed || o_.vocabulary > 0,
            "ConstrainedBeamSearch: to normalise over the vocabulary, its size must be given");
    require(o_.language_weight >= 0 && o_.language_weight < std::numeric_limits<double>::infinity(),
            "ConstrainedBeamSearch: language_weight ", o_.language_weight, "; expected a number of 0 or more");
    all_.resize(static_cast<std::size_t>(o_.normalise == Normalise::vocabulary ? o_.vocabulary : 0));
    for (std::size_t i = 0; i < all_.size(); ++i) all_[i] = static_cast<std::int32_t>(i);
  }

  // `model` has just read allowed.size() prompts. Runs at most depth + 1 steps of it.
  template <StepModel M>
  void run(M& model, std::span<const AllowedIds> allowed) {
    begin(allowed);
    while (!tokens_.empty()) {
      model.step(tokens_, parents_);
      tokens_.clear(), parents_.clear();
      for (std::size_t p = 0; p < prompts_; ++p) extend(model, allowed[p], p);
    }
  }

  // Best first, at most `results`; until the next run.
  std::span<const FoundId> found(std::size_t prompt) const {
    require(prompt < prompts_, "ConstrainedBeamSearch: prompt ", prompt, " of ", prompts_);
    return {found_.data() + prompt * at(o_.results), counts_[prompt]};
  }

 private:
  // A place of the pool: a path that ends at a node, or at a leaf (target < 0).
  struct Hypothesis {
    double score;         // of its tokens
    double bound;         // of the best id that may become of it; a leaf's own score
    std::int32_t target;  // node, or ~id
    std::int32_t token;   // the last one
    std::int32_t row;     // of the model's last step; the parent's while it is a candidate
  };

  static std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

  void begin(std::span<const AllowedIds> allowed) {
    prompts_ = allowed.size();
    pools_.resize((std::max)(pools_.size(), prompts_));
    bounds_.resize((std::max)(bounds_.size(), prompts_));
    found_.resize((std::max)(found_.size(), prompts_ * at(o_.results)));
    counts_.assign(prompts_, 0);
    tokens_.clear(), parents_.clear();
    for (std::size_t p = 0; p < prompts_; ++p) {
      require(allowed[p].trie != nullptr && allowed[p].trie->nodes() > 0, "ConstrainedBeamSearch: prompt ", p,
              " has no trie");
      pools_[p].clear();
      pools_[p].reserve(at(o_.beams));
      bounds_[p].reset(*allowed[p].trie, allowed[p].mask, allowed[p].prior);
      // A prompt without an allowed id is stepped once all the same: rows of the first step are prompts.
      tokens_.push_back(o_.start_token);
      parents_.push_back(static_cast<std::int32_t>(p));
      if (bounds_[p].live(TokenTrie::kRoot) > 0)
        pools_[p].push_back({0.0, 0.0, TokenTrie::kRoot, o_.start_token, static_cast<std::int32_t>(p)});
    }
  }

  // One more token for the unfinished hypotheses of a prompt; what is left of them is lined up for the next step.
  template <class M>
  void extend(M& model, const AllowedIds& ids, std::size_t p) {
    std::vector<Hypothesis>& pool = pools_[p];
    if (std::none_of(pool.begin(), pool.end(), [](const Hypothesis& h) { return h.target >= 0; })) return;
    candidates_.clear();
    for (const Hypothesis& h : pool) {
      if (h.target < 0)
        candidates_.push_back(h);
      else
        spread(model, ids, bounds_[p], h);
    }
    keep_best(pool);
    bool open = false;
    for (Hypothesis& h : pool) {
      if (h.target < 0) continue;
      open = true;
      tokens_.push_back(h.token);
      parents_.push_back(h.row);
      h.row = static_cast<std::int32_t>(tokens_.size()) - 1;
    }
    if (!open) report(pool, p);
  }

  // The children of one hypothesis that lead to an allowed id.
  template <class M>
  void spread(M& model, const AllowedIds& ids, const LeafBounds& bounds, const Hypothesis& h) {
    const TokenTrie::Children children = ids.trie->children(h.target);
    live_tokens_.clear(), live_targets_.clear();
    for (std::size_t c = 0; c < children.tokens.size(); ++c) {
      if (!is_live(ids, bounds, children.targets[c])) continue;
      live_tokens_.push_back(children.tokens[c]);
      live_targets_.push_back(children.targets[c]);
    }
    const bool whole = o_.normalise == Normalise::vocabulary;
    if (!whole && live_tokens_.size() == 1) {  // certain
      offer(ids, bounds, h, 0.0, 0);
      return;
    }
    const std::vector<std::int32_t>& asked = whole ? all_ : live_tokens_;
    logits_.resize((std::max)(logits_.size(), asked.size()));
    model.logits(static_cast<Index>(h.row), std::span<const std::int32_t>(asked), logits_.data());
    const double normaliser = log_sum_exp({logits_.data(), asked.size()});
    for (std::size_t c = 0; c < live_tokens_.size(); ++c) {
      const float logit = logits_[whole ? at(live_tokens_[c]) : c];
      offer(ids, bounds, h, static_cast<double>(logit) - normaliser, c);
    }
  }
  // The c-th live child as a candidate; finished at once where the rest is certain.
  void offer(const AllowedIds& ids, const LeafBounds& bounds, const Hypothesis& h, double log_probability,
             std::size_t c) {
    const std::int32_t token = live_tokens_[c];
    std::int32_t target = live_targets_[c];
    const double score = h.score + o_.language_weight * log_probability;
    if (o_.normalise == Normalise::allowed && target >= 0 && bounds.live(target) == 1)
      target = only_leaf(ids, bounds, target);
    const float best = target >= 0 ? bounds.best(target) : ids.prior == nullptr ? 0.0F : ids.prior[~target];
    candidates_.push_back({score, score + static_cast<double>(best), target, token, h.row});
  }
  static bool is_live(const AllowedIds& ids, const LeafBounds& bounds, std::int32_t target) {
    if (target >= 0) return bounds.live(target) > 0;
    return (ids.mask == nullptr || !ids.mask->is_hidden(~target)) &&
           (ids.prior == nullptr || ids.prior[~target] > LeafBounds::kNone);
  }
  // The leaf below a node that has only one that is live.
  static std::int32_t only_leaf(const AllowedIds& ids, const LeafBounds& bounds, std::int32_t target) {
    while (target >= 0)
      for (const std::int32_t next : ids.trie->children(target).targets)
        if (is_live(ids, bounds, next)) {
          target = next;
          break;
        }
    return target;
  }

  static double log_sum_exp(std::span<const float> x) {
    const auto most = static_cast<double>(*std::max_element(x.begin(), x.end()));
    double sum = 0;
    for (const float v : x) sum += std::exp(static_cast<double>(v) - most);
    return most + std::log(sum);
  }

  // The best `beams` of the candidates into the pool, best first; equal ones as they came.
  void keep_best(std::vector<Hypothesis>& pool) {
    order_.resize(candidates_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::int32_t>(i);
    const std::size_t kept = (std::min)(order_.size(), at(o_.beams));
    std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(kept), order_.end(),
                      [&](std::int32_t a, std::int32_t b) {
                        const double x = candidates_[at(a)].bound, y = candidates_[at(b)].bound;
                        return x > y || (x == y && a < b);
                      });
    pool.clear();
    for (std::size_t i = 0; i < kept; ++i) pool.push_back(candidates_[at(order_[i])]);
  }

  void report(const std::vector<Hypothesis>& pool, std::size_t p) {
    counts_[p] = (std::min)(pool.size(), at(o_.results));
    for (std::size_t i = 0; i < counts_[p]; ++i) found_[p * at(o_.results) + i] = {~pool[i].target, pool[i].bound};
  }

  ConstrainedBeamOptions o_;
  std::size_t prompts_ = 0;
  std::vector<std::vector<Hypothesis>> pools_;  // (prompts)
  std::vector<LeafBounds> bounds_;              // (prompts)
  std::vector<FoundId> found_;                  // (prompts, results)
  std::vector<std::size_t> counts_;             // (prompts)
  std::vector<std::int32_t> tokens_, parents_;  // of the next step
  std::vector<Hypothesis> candidates_;
  std::vector<std::int32_t> live_tokens_, live_targets_, order_, all_;
  std::vector<float> logits_;
};

}  // namespace thaw::inline v0
