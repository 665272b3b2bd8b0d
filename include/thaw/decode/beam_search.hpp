// BeamSearch: the most probable token sequences of a language model, with nothing that keeps them valid.
//
//   thaw::BeamSearch search({.beams = 20, .results = 10, .vocabulary = 32128, .end_token = 1});
//   model.start(prompts);
//   search.run(model, prompt_count);
//   for (const thaw::FoundText& text : search.found(prompt)) use(search.tokens(text), text.score);
//
// The search that language-model recommenders were published with (the reference is the beam search of Hugging Face's
// transformers with early stopping): of all beams x vocabulary continuations the best 2 x beams are looked at in order;
// an end token among the first `beams` of them closes a hypothesis, further down it is passed over; the first `beams`
// others live on. At first only beam 0 counts, the others start at -1e9. A prompt is done when `beams` hypotheses are
// closed; at the longest length the living are closed as they are. A closed hypothesis scores its summed
// log-probability over length^length_penalty; the length counts the end token, not the start token. Ties go to the
// earlier beam, then the lower token. Each end token of each beam costs the whole vocabulary: for ranking ids
// constrained_beam_search.hpp is cheaper and never answers with something that is no id. No allocation once the largest
// batch has been seen.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/decode/step_model.hpp"

namespace thaw::inline v0 {

struct BeamOptions {
  std::int32_t beams = 20;
  std::int32_t results = 10;  // at most `beams`
  std::int32_t vocabulary = 0;
  std::int32_t start_token = 0, end_token = 1;
  std::int32_t longest = 50;  // tokens of a hypothesis, the start token among them
  double length_penalty = 1;
};

struct FoundText {
  double score = 0;
  std::int32_t begin = 0, size = 0;  // where its tokens are
};

class BeamSearch {
 public:
  explicit BeamSearch(const BeamOptions& options) : o_(options) {
    require(o_.beams >= 1 && o_.results >= 1 && o_.results <= o_.beams && o_.vocabulary >= 2 && o_.longest >= 2 &&
                o_.end_token >= 0 && o_.end_token < o_.vocabulary,
            "BeamSearch: ", o_.beams, " beams, ", o_.results, " results, ", o_.vocabulary, " tokens, end token ",
            o_.end_token, ", longest ", o_.longest,
            "; expected 1 <= results <= beams, an end token of a vocabulary of two or more, and two tokens at least");
    for (std::int32_t t = 0; t < o_.vocabulary; ++t) all_.push_back(t);
    logits_.resize(all_.size());
  }

  template <StepModel M>
  void run(M& model, std::int32_t prompts) {
    begin(prompts);
    for (std::int32_t length = 1; length < o_.longest && !tokens_.empty(); ++length) {
      model.step(tokens_, parents_);
      tokens_.clear(), parents_.clear();
      for (std::int32_t p = 0; p < prompts; ++p)
        if (!states_[at(p)].done) extend(model, states_[at(p)], length);
    }
    for (std::int32_t p = 0; p < prompts; ++p) finish(states_[at(p)]);
  }

  // Best first, at most `results`; until the next run.
  std::span<const FoundText> found(std::int32_t prompt) const {
    const auto& closed = states_[at(prompt)].closed;
    return {closed.data(), (std::min)(closed.size(), at(o_.results))};
  }
  // Without the start token; the end token is the last one where there was room for it.
  std::span<const std::int32_t> tokens(const FoundText& text) const {
    return {texts_.data() + text.begin, at(text.size)};
  }

 private:
  struct Beam {
    double score;
    std::int32_t link;  // its last token in history_, -1 for the start
    std::int32_t row;   // of the model's last step
  };
  struct Link {
    std::int32_t token, before;  // `before`: a place of history_, or -1
  };
  struct Candidate {
    double score;
    std::int32_t beam, token;
  };
  struct State {
    std::vector<Beam> beams;
    std::vector<FoundText> closed;  // while searching in the order of closing
    std::int32_t length = 0;        // generated tokens of the living
    bool done = false;
  };

  static std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

  void begin(std::int32_t prompts) {
    require(prompts >= 0, "BeamSearch: ", prompts, " prompts");
    if (states_.size() < at(prompts)) states_.resize(at(prompts));
    tokens_.clear(), parents_.clear(), texts_.clear(), history_.clear();
    for (std::int32_t p = 0; p < prompts; ++p) {
      State& state = states_[at(p)];
      state.closed.clear(), state.beams.clear();
      state.length = 0;
      state.done = false;
      for (std::int32_t b = 0; b < o_.beams; ++b) state.beams.push_back({b == 0 ? 0.0 : -1e9, -1, p});
      tokens_.push_back(o_.start_token);
      parents_.push_back(p);
    }
  }

  // `length`: tokens of the living, the start token among them.
  template <class M>
  void extend(M& model, State& state, std::int32_t length) {
    gather(model, state);
    next_.clear();
    state.length = length;
    for (std::size_t rank = 0; rank < candidates_.size(); ++rank) {
      const Candidate& c = candidates_[rank];
      if (c.token == o_.end_token) {
        if (rank >= at(o_.beams)) continue;
        close(state, c.score, state.beams[at(c.beam)].link, c.token, length);
      } else {
        history_.push_back({c.token, state.beams[at(c.beam)].link});
        const auto link = static_cast<std::int32_t>(history_.size()) - 1;
        next_.push_back({c.score, link, state.beams[at(c.beam)].row});
      }
      if (next_.size() == at(o_.beams)) break;
    }
    state.beams.swap(next_);
    state.done = state.closed.size() >= at(o_.beams);
    if (state.done) return;
    for (Beam& beam : state.beams) {
      tokens_.push_back(history_[at(beam.link)].token);
      parents_.push_back(beam.row);
      beam.row = static_cast<std::int32_t>(tokens_.size()) - 1;
    }
  }

  // The best 2 x beams continuations, best first.
  template <class M>
  void gather(M& model, const State& state) {
    candidates_.clear();
    const auto better = [](const Candidate& a, const Candidate& b) {
      if (a.score != b.score) return a.score > b.score;
      return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
    };
    const std::size_t most = 2 * at(o_.beams);
    std::int32_t last_row = -1;
    double normaliser = 0;
    for (std::int32_t b = 0; b < o_.beams; ++b) {
      const Beam& beam = state.beams[at(b)];
      if (beam.row != last_row) {  // at first all beams share a row
        model.logits(static_cast<Index>(beam.row), std::span<const std::int32_t>(all_), logits_.data());
        normaliser = log_sum_exp();
        last_row = beam.row;
      }
      for (std::int32_t t = 0; t < o_.vocabulary; ++t) {
        const Candidate c{beam.score + (static_cast<double>(logits_[at(t)]) - normaliser), b, t};
        if (candidates_.size() == most && !better(c, candidates_.front())) continue;
        if (candidates_.size() == most) {  // a heap whose front is the worst kept
          std::pop_heap(candidates_.begin(), candidates_.end(), better);
          candidates_.pop_back();
        }
        candidates_.push_back(c);
        std::push_heap(candidates_.begin(), candidates_.end(), better);
      }
    }
    std::sort_heap(candidates_.begin(), candidates_.end(), better);
  }
  double log_sum_exp() const {
    const auto most = static_cast<double>(*std::max_element(logits_.begin(), logits_.end()));
    double sum = 0;
    for (const float v : logits_) sum += std::exp(static_cast<double>(v) - most);
    return most + std::log(sum);
  }

  // `last`: the end token, or -1 for a hypothesis that is closed as it is. Keeps the `beams` best.
  void close(State& state, double sum, std::int32_t link, std::int32_t last, std::int32_t length) {
    const double score = sum / std::pow(static_cast<double>(length), o_.length_penalty);
    const auto worse = [](const FoundText& a, const FoundText& b) { return a.score < b.score; };
    if (state.closed.size() >= at(o_.beams)) {
      const auto worst = std::min_element(state.closed.begin(), state.closed.end(), worse);
      if (score <= worst->score) return;
      state.closed.erase(worst);
    }
    FoundText text{score, static_cast<std::int32_t>(texts_.size()), 0};
    for (; link >= 0; link = history_[at(link)].before) texts_.push_back(history_[at(link)].token);
    std::reverse(texts_.begin() + text.begin, texts_.end());
    if (last >= 0) texts_.push_back(last);
    text.size = static_cast<std::int32_t>(texts_.size()) - text.begin;
    state.closed.push_back(text);
  }
  void finish(State& state) {
    if (!state.done)
      for (const Beam& beam : state.beams) close(state, beam.score, beam.link, -1, state.length);
    // Insertion sort keeps the order of equal ones and allocates nothing.
    for (std::size_t i = 1; i < state.closed.size(); ++i)
      for (std::size_t k = i; k > 0 && state.closed[k - 1].score < state.closed[k].score; --k)
        std::swap(state.closed[k - 1], state.closed[k]);
  }

  BeamOptions o_;
  std::vector<State> states_;  // (prompts)
  std::vector<Link> history_;
  std::vector<std::int32_t> texts_;  // closed hypotheses, one after another
  std::vector<std::int32_t> tokens_, parents_, all_;
  std::vector<float> logits_;
  std::vector<Candidate> candidates_;
  std::vector<Beam> next_;
};

}  // namespace thaw::inline v0
