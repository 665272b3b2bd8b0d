// Trainer: ELMRec on item sequences, direct and sequential examples in every batch; answers through the trie.
//
//   elmrec::Trainer trainer(data, graph, vectors, tokenizer, options);
//   for (int s = 0; s < 2000; ++s) double loss = trainer.step();
//   elmrec::Quality direct = trainer.direct(test), next = trainer.sequential(test);
//
// Direct: one of the user's training items among others that she does not have, all in the prompt; asked with every
// candidate in the prompt and in a trie of their own. Sequential: the next item of a stretch of her training part;
// asked with the trie of all items, those of her history hidden. Samples depend on seed and step alone: a resumed run
// goes on bit for bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "elmrec/batch_builder.hpp"
#include "elmrec/decoder.hpp"
#include "elmrec/evaluation.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/decode/constrained_beam_search.hpp"
#include "thaw/optim/adam.hpp"
#include "thaw/optim/clip.hpp"
#include "thaw/optim/schedule.hpp"

namespace elmrec {

struct TrainerOptions {
  ElmRecConfig model;
  bool short_items = true;       // "45" in place of "item_45"
  bool sequential_nodes = true;  // graph vectors in sequential prompts too; in the published model only in direct ones
  bool direct_nodes = false;
  thaw::ItemNumbering numbering = thaw::ItemNumbering::random;
  Index batch = 64;             // prompts, half of each task
  std::size_t candidates = 20;  // of a direct training prompt
  std::size_t history = 20;     // items of a sequential prompt, at most
  double rate = 2e-3;
  Index steps = 3000, warm_up = 200;
  double clip = 1;
  double dropout = 0.1;
  double decay = 0.01;
  int layers = 4;  // of propagation of a trained table
  std::int32_t beams = 20;
  int threads = 1;
  std::uint64_t seed = 1;
};

class Trainer {
 public:
  using Backend = thaw::CpuEigen;
  using A = thaw::Array<float, Backend>;
  using Plan = ElmRec<thaw::Spec>;

  // `vectors` (users + items, options.model.graph_width), or empty. All references must live on.
  Trainer(const thaw::ItemSequences& data, const thaw::PropagationGraph& graph, std::span<const float> vectors,
          const TextTokenizer& tokenizer, TrainerOptions options)
      : data_(data),
        graph_(graph),
        vectors_(vectors),
        number_(thaw::number_items(data, options.numbering, options.seed)),
        writer_(tokenizer, number_, options.short_items),
        map_(tokenizer, data.users(), data.items, options.short_items),
        o_(with_vocabulary(std::move(options), map_.size())),
        evidence_(graph),
        weights_{&weight_arena_, o_.threads},
        context_{&arena_, o_.threads},
        parameters_(elmrec_plan(o_.model), weights_, o_.seed),
        tape_(context_),
        adam_(parameters_, {.decay = o_.decay}),
        builder_(map_, o_.model.switches),
        decoder_(parameters_.values().language, o_.threads),
        search_({.beams = o_.beams, .results = (std::min)(10, o_.beams), .start_token = kStart}) {
    for (std::int32_t item = 0; item < data.items; ++item) spelled_.add(map_.small(writer_.answer(item)));
    for (std::int32_t user = 0; user < data.users(); ++user)
      if (data.train(user).size() >= 2) learners_.push_back(user);
    thaw::require(!learners_.empty(), "Trainer: no user has two training items");
    auto trie = thaw::TokenTrie::build(spelled_, kEnd);
    thaw::require(trie.ok(), "Trainer: two items are spelled alike");
    trie_ = std::move(trie.value());
    schedule_ = thaw::cosine(o_.rate, o_.steps, o_.warm_up);
  }

  const TrainerOptions& options() const { return o_; }
  const thaw::TokenTrie& trie() const { return trie_; }
  std::int64_t parameter_count() const { return thaw::parameter_count(parameters_.values()); }
  std::int64_t steps() { return adam_.steps(); }
  auto& parameters() { return parameters_; }
  auto& adam() { return adam_; }

  // One step on a batch of its own; the loss before it.
  double step() {
    builder_.clear();
    const thaw::Key key = thaw::Key{o_.seed}.fold(0x73616d706c65).fold(static_cast<std::uint64_t>(adam_.steps()));
    for (Index i = 0; i < o_.batch; ++i) {
      thaw::Philox rng(key.bits, static_cast<std::uint64_t>(i));
      if (i % 2 == 0)
        draw_direct(rng);
      else
        draw_sequential(rng);
    }
    thaw::Scope scope(tape_);
    const auto net = parameters_.on(tape_);
    const auto loss = answer_loss(net, builder_.batch(context_), graph_input(context_),
                                  thaw::DropoutRule::make(o_.dropout, key.fold(1), 0));
    const auto gradients = parameters_.gradient(loss);
    thaw::clip_norm(gradients, o_.clip);
    adam_.step(parameters_, gradients, schedule_.at(adam_.steps()));
    return static_cast<double>(loss.item());
  }

  // Each question's answer among its negatives, all of them in the prompt.
  Quality direct(const Questions& questions) {
    std::vector<thaw::TokenTrie> tries(kTogether);
    std::vector<std::int32_t> candidates;
    std::vector<float> evidence;
    return ask(questions, [&](const Question& q, std::size_t place) {
      candidates.assign(1, q.answer);
      candidates.insert(candidates.end(), questions.negatives[q.index].begin(), questions.negatives[q.index].end());
      thaw::Philox(o_.seed, 0x6f72646572 + static_cast<std::uint64_t>(q.user)).shuffle(candidates);
      put_direct(bare_template(Task::direct), q.user, q.history, candidates, -1, {}, evidence);
      const auto made = tries[place].assign(spelled_, candidates, kEnd);
      thaw::require(made.ok(), "Trainer: a candidate is listed twice");
      return thaw::AllowedIds{&tries[place], nullptr};
    });
  }
  // Each question's answer among all items that its history does not have.
  Quality sequential(const Questions& questions) {
    std::vector<thaw::LeafMask> masks(kTogether, thaw::LeafMask(trie_));
    std::vector<std::span<const std::int32_t>> hidden(kTogether);
    return ask(questions, [&](const Question& q, std::size_t place) {
      for (const std::int32_t item : hidden[place]) masks[place].show(trie_, item);
      hidden[place] = q.history;
      for (const std::int32_t item : q.history) masks[place].hide(trie_, item);
      put_sequential(bare_template(Task::sequential), q.user, q.history, {});
      return thaw::AllowedIds{&trie_, &masks[place]};
    });
  }

 private:
  static constexpr std::size_t kTogether = 16;

  static TrainerOptions with_vocabulary(TrainerOptions o, std::int32_t size) {
    o.model.language.vocab_size = size;
    return o;
  }
  GraphInput<A> graph_input(Backend::Context& context) const {
    GraphInput<A> out{{}, &graph_, o_.layers};
    if (o_.model.graph_width > 0)
      out.vectors = A::view(context, vectors_.data(), {graph_.nodes(), o_.model.graph_width});
    return out;
  }
  int draw_template(Task task, thaw::Philox& rng) const {
    return static_cast<int>(rng.below(static_cast<std::uint32_t>(templates(task).size())));
  }
  std::int32_t draw_user(thaw::Philox& rng) const {
    return learners_[rng.below(static_cast<std::uint32_t>(learners_.size()))];
  }

  void draw_direct(thaw::Philox& rng) {
    const std::int32_t user = draw_user(rng);
    const auto train = data_.train(user);
    const std::size_t at = rng.below(static_cast<std::uint32_t>(train.size()));
    // The rest of the list, what came right before the positive last.
    history_.assign(train.begin(), train.end());
    history_.erase(history_.begin() + static_cast<std::ptrdiff_t>(at));
    if (at > 0)
      std::rotate(history_.begin() + static_cast<std::ptrdiff_t>(at) - 1,
                  history_.begin() + static_cast<std::ptrdiff_t>(at), history_.end());
    candidates_.assign(1, train[at]);
    thaw::draw_negatives(data_, user, o_.candidates - 1, rng, candidates_);
    rng.shuffle(candidates_);
    put_direct(draw_template(Task::direct, rng), user, history_, candidates_, train[at], spelled_[train[at]], numbers_);
  }
  void draw_sequential(thaw::Philox& rng) {
    const std::int32_t user = draw_user(rng);
    const thaw::NextItem next = thaw::draw_next_item(data_, user, o_.history, rng);
    put_sequential(draw_template(Task::sequential, rng), user, next.history, spelled_[next.answer]);
  }
  void put_direct(int number, std::int32_t user, std::span<const std::int32_t> history,
                  std::span<const std::int32_t> candidates, std::int32_t positive, std::span<const std::int32_t> answer,
                  std::vector<float>& evidence) {
    const auto prompt = writer_.write(Task::direct, number, user, candidates);
    thaw::require(prompt.ok(), "Trainer: a direct prompt cannot be written");
    evidence.assign(o_.model.evidence ? candidates.size() * static_cast<std::size_t>(kEvidence) : 0, 0.0f);
    if (o_.model.evidence) evidence_.about(user, history, candidates, positive, evidence.data());
    builder_.add(prompt.value(), evidence, answer, o_.direct_nodes, false, data_.users());
  }
  void put_sequential(int number, std::int32_t user, std::span<const std::int32_t> history,
                      std::span<const std::int32_t> answer) {
    const auto prompt =
        writer_.write(Task::sequential, number, user, history.last((std::min)(history.size(), o_.history)));
    thaw::require(prompt.ok(), "Trainer: a sequential prompt cannot be written");
    builder_.add(prompt.value(), {}, answer, o_.sequential_nodes, true, data_.users());
  }

  // put(question, place) adds a prompt and says what may be answered.
  template <class Put>
  Quality ask(const Questions& questions, const Put& put) {
    Quality q;
    std::vector<thaw::AllowedIds> allowed;
    for (std::size_t begin = 0; begin < questions.list.size(); begin += kTogether) {
      const std::size_t end = (std::min)(questions.list.size(), begin + kTogether);
      builder_.clear();
      allowed.clear();
      for (std::size_t i = begin; i < end; ++i) allowed.push_back(put(questions.list[i], i - begin));
      decoder_.start_from(
          [&](const auto&, Backend::Context& context) {
            const auto net = thaw::map_unnamed<A>(parameters_.values(),
                                                  [&](const A& a) { return A::view(context, a.data, a.shape); });
            return read_rows(net, builder_.batch(context), graph_input(context));
          },
          {builder_.batch(context_).prompts}, o_.beams, trie_.depth() + 1);
      search_.run(decoder_, allowed);
      for (std::size_t i = begin; i < end; ++i) {
        const auto found = search_.found(i - begin);
        const auto at = std::find_if(found.begin(), found.end(),
                                     [&](const thaw::FoundId& f) { return f.id == questions.list[i].answer; });
        if (at == found.end())
          q.add_missing();
        else
          q.add(at - found.begin(), 0);
      }
    }
    return q.finish();
  }

  const thaw::ItemSequences& data_;
  const thaw::PropagationGraph& graph_;
  std::span<const float> vectors_;
  std::vector<std::int32_t> number_;
  PromptWriter writer_;
  PieceMap map_;
  TrainerOptions o_;
  Evidence evidence_;
  thaw::GrowingArena weight_arena_, arena_;
  Backend::Context weights_, context_;
  thaw::Parameters<Plan, float, Backend> parameters_;
  thaw::Tape<float, Backend> tape_;
  thaw::Adam<float, Backend> adam_;
  BatchBuilder<Backend> builder_;
  T5Decoder<Backend> decoder_;
  thaw::ConstrainedBeamSearch search_;
  thaw::Schedule schedule_;
  thaw::TokenSequences spelled_;
  thaw::TokenTrie trie_;
  std::vector<std::int32_t> learners_, history_, candidates_;
  std::vector<float> numbers_;
};

}  // namespace elmrec
