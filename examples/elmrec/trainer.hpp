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
//
// With `prior` (the variant best) prompts are a history alone, or a history and candidates; the encoder sees the past
// only and learns at every item what came next, and what is found is ordered by log-probability and prior, mixed by
// weights fitted on validation questions: fit().
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "elmrec/batch_builder.hpp"
#include "elmrec/decoder.hpp"
#include "elmrec/fit_weights.hpp"
#include "elmrec/item_prior.hpp"
#include "elmrec/rivals.hpp"
#include "elmrec/shared_negatives.hpp"
#include "elmrec/trainer_options.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/decode/beam_search.hpp"
#include "thaw/decode/constrained_beam_search.hpp"
#include "thaw/optim/adam.hpp"
#include "thaw/optim/clip.hpp"
#include "thaw/optim/schedule.hpp"

namespace elmrec {

// Between two orders of the same candidates: the mean change of a candidate's log-probability, and the share of
// questions for which another candidate comes first.
struct PositionBias {
  double moved = 0, other_first = 0;
};

class Trainer {
 public:
  using Backend = thaw::CpuEigen;
  using A = thaw::Array<float, Backend>;
  using Plan = ElmRec<thaw::Spec>;

  // `vectors` (users + items, options.model.graph_width), or empty; with a prior, prompts carry them at length 1. All
  // references must live on.
  Trainer(const thaw::ItemSequences& data, const thaw::PropagationGraph& graph, std::span<const float> vectors,
          const TextTokenizer& tokenizer, TrainerOptions options)
      : data_(data),
        graph_(graph),
        vectors_(vectors),
        number_(thaw::number_items(data, options.numbering, options.seed)),
        writer_(tokenizer, number_, options.short_items),
        map_(tokenizer, data.users(), data.items, options.short_items),
        o_(completed(std::move(options), map_.size(), data.items)),
        units_(o_.prior ? unit_rows(vectors, (std::max)(o_.model.graph_width, Index{1})) : std::vector<float>{}),
        step_(o_.prior && o_.model.graph_width > 0
                  ? std::make_unique<GraphFeatures>(
                        graph, GraphFeatureOptions{.width = o_.model.graph_width, .layers = 1, .without_own = true},
                        std::vector<float>(vectors.begin(), vectors.end()))
                  : nullptr),
        evidence_(graph),
        weights_{&weight_arena_, o_.threads},
        context_{&arena_, o_.threads},
        parameters_(elmrec_plan(o_.model), weights_, o_.seed),
        tape_(context_),
        adam_(parameters_, {.decay = o_.decay}),
        builder_(map_, o_.model.switches),
        decoder_(parameters_.values().language, o_.threads) {
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
      if (i % o_.direct_every == 0)
        draw_direct(rng);
      else
        draw_sequential(rng);
    }
    thaw::Scope scope(tape_);
    const auto net = parameters_.on(tape_);
    const auto rule = thaw::DropoutRule::make(o_.dropout, key.fold(1), 0);
    const auto batch = builder_.batch(context_);
    const auto graph = graph_input(context_);
    const auto memory = read_prompts(net, batch, graph, rule);
    auto loss = o_.prior ? next_loss(net, batch, memory, graph, key.fold(2)) : answer_loss(net, batch, memory, rule);
    if (o_.prior && o_.text_weight > 0)
      loss = thaw::add(loss, thaw::scale(answer_loss(net, batch, memory, rule), o_.text_weight));
    const auto gradients = parameters_.gradient(loss);
    thaw::clip_norm(gradients, o_.clip);
    adam_.step(parameters_, gradients, schedule_.at(adam_.steps()));
    return static_cast<double>(loss.item());
  }

  // Each question's answer among its negatives, all of them in the prompt. `mix` needs options().prior; without it,
  // log-probabilities alone.
  Quality direct(const Questions& questions, const Mix* mix = nullptr) {
    std::vector<thaw::TokenTrie> tries(kTogether);
    std::vector<std::int32_t> candidates;
    std::vector<float> evidence;
    return ask(questions, mix, [&](const Question& q, std::size_t place) {
      candidates = candidates_of(questions, q);
      order_of(q, 0).shuffle(candidates);
      put_direct(bare_template(Task::direct), q.user, q.history, candidates, -1, {}, evidence);
      const auto made = tries[place].assign(spelled_, candidates, kEnd);
      thaw::require(made.ok(), "Trainer: a candidate is listed twice");
      return thaw::AllowedIds{&tries[place], nullptr};
    });
  }
  // Each question's answer among all items that its history does not have.
  Quality sequential(const Questions& questions, const Mix* mix = nullptr) {
    std::vector<thaw::LeafMask> masks(kTogether, thaw::LeafMask(trie_));
    for (thaw::LeafMask& mask : masks)
      for (const std::int32_t item : hidden_) mask.hide(trie_, item);
    std::vector<std::span<const std::int32_t>> hidden(kTogether);
    return ask(questions, mix, [&](const Question& q, std::size_t place) {
      for (const std::int32_t item : hidden[place])
        if (!is_hidden(item)) masks[place].show(trie_, item);
      hidden[place] = q.history;
      for (const std::int32_t item : q.history) masks[place].hide(trie_, item);
      put_sequential(bare_template(Task::sequential), q.user, q.history, {});
      return thaw::AllowedIds{&trie_, &masks[place]};
    });
  }

  // The published way to answer: text is searched for freely, what spells no item becomes a random one, and sequential
  // answers that the user has are dropped from a list of twice as many. An item counts where it comes first.
  Quality free(const Questions& questions, Task task) {
    const std::int32_t beams = (std::max)(o_.beams, 10);
    thaw::BeamSearch search({.beams = beams,
                             .results = beams,
                             .vocabulary = map_.size(),
                             .start_token = kStart,
                             .end_token = kEnd,
                             .longest = trie_.depth() + 2});
    std::vector<std::int32_t> list;
    std::vector<float> evidence;
    Quality quality;
    for (std::size_t begin = 0; begin < questions.list.size(); begin += kTogether) {
      const std::size_t end = (std::min)(questions.list.size(), begin + kTogether);
      builder_.clear();
      for (std::size_t i = begin; i < end; ++i) {
        const Question& q = questions.list[i];
        std::vector<std::int32_t> candidates = candidates_of(questions, q);
        order_of(q, 0).shuffle(candidates);
        if (task == Task::direct)
          put_direct(bare_template(task), q.user, q.history, candidates, -1, {}, evidence);
        else
          put_sequential(bare_template(task), q.user, q.history, {});
      }
      read(beams, nullptr);
      search.run(decoder_, static_cast<std::int32_t>(end - begin));
      for (std::size_t i = begin; i < end; ++i) {
        const Question& q = questions.list[i];
        thaw::Philox rng(thaw::Key{o_.seed}.fold(0x66726565).bits, q.index);
        list.clear();
        for (const thaw::FoundText& text : search.found(static_cast<std::int32_t>(i - begin))) {
          std::int32_t item = item_spelled(search.tokens(text));
          if (item < 0) item = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(data_.items)));
          const bool has = std::find(q.history.begin(), q.history.end(), item) != q.history.end();
          if (task == Task::direct || !has) list.push_back(item);
        }
        const auto at = std::find(list.begin(), list.end(), q.answer);
        if (at == list.end())
          quality.add_missing();
        else
          quality.add(at - list.begin(), 0);
      }
    }
    return quality.finish();
  }
  // The item that tokens spell, with or without the end token behind them; -1 where they spell none.
  std::int32_t item_spelled(std::span<const std::int32_t> tokens) const {
    std::int32_t at = thaw::TokenTrie::kRoot;
    for (std::size_t i = 0; i <= tokens.size(); ++i) {
      const std::int32_t token = i < tokens.size() ? tokens[i] : kEnd;
      const thaw::TokenTrie::Children children = trie_.children(at);
      const auto found = std::find(children.tokens.begin(), children.tokens.end(), token);
      if (found == children.tokens.end()) return -1;
      at = children.targets[static_cast<std::size_t>(found - children.tokens.begin())];
      if (at < 0) return i + 1 >= tokens.size() ? ~at : -1;
    }
    return -1;
  }

  // Items that sequential answers never are: new ones, of which nothing was learnt. In order.
  void hide(std::vector<std::int32_t> items) { hidden_ = std::move(items); }

  // (questions, width): the state at the end of each history, of prompts without candidates: the encoder sees the past
  // only, so that candidates would not change it. Needs options().prior.
  std::vector<float> states(const Questions& questions, Task task) {
    const auto width = static_cast<std::size_t>(o_.model.language.d_model);
    std::vector<float> out(questions.list.size() * width);
    for (std::size_t begin = 0; begin < questions.list.size(); begin += kTogether) {
      const std::size_t end = (std::min)(questions.list.size(), begin + kTogether);
      builder_.clear();
      for (std::size_t i = begin; i < end; ++i) put_history(task, questions.list[i].history, {}, {}, {}, {});
      thaw::ArenaScope scope(arena_);
      keep_states(encode(context_), out.data() + begin * width);
    }
    return out;
  }
  // k(item) of all items, to compare states with. Evidence comes from `other` where given.
  ItemPrior prior(const thaw::PropagationGraph* other = nullptr) {
    thaw::ArenaScope scope(arena_);
    const std::vector<std::int32_t> all = all_items();
    const A keys = item_keys(net_on(context_), {all.data(), nullptr, data_.items, false}, graph_input(context_));
    const auto given = vectors_.subspan(step_ ? static_cast<std::size_t>(graph_.users() * step_->width()) : 0);
    return {other != nullptr ? *other : graph_,
            {keys.begin(), keys.end()},
            o_.model.language.d_model,
            step_.get(),
            {given.begin(), given.end()}};
  }
  // Gives an item that was not learnt the vectors that follow from users who took it, by one step over the graph.
  void place_new_item(ItemPrior& prior, std::int32_t item, std::span<const std::int32_t> users) {
    thaw::require(step_ != nullptr, "Trainer: new items need graph vectors");
    const std::span<float> given = prior.given(item), key = prior.key(item);
    step_->new_item(users, given);
    const std::vector<float> unit = unit_rows(given, step_->width());
    const A& weight = parameters_.values().graph[0].weight;  // (width, graph width)
    for (Index k = 0; k < prior.width(); ++k)
      key[static_cast<std::size_t>(k)] =
          thaw::dot(thaw::detect_isa(), step_->width(), weight.data + k * step_->width(), unit.data());
  }
  // The prior's state and keys alone, without numbers and evidence: quick.
  Quality quick(const Questions& questions, Task task) {
    const std::vector<float> state = states(questions, task);
    ItemPrior keys = prior();
    Mix mix;
    mix.sign[0] = 1;
    return task == Task::direct ? rank_sampled(questions, PriorScorer(keys, state, mix))
                                : rank_all(questions, PriorScorer(keys, state, mix), all_items());
  }
  // Weights for the search of a task that make the answers of validation questions likeliest among their negatives; no
  // weight for numbers that were not learnt.
  Mix fit(const Questions& questions, Task task) {
    const bool spells = o_.text_weight > 0 && (task == Task::direct || o_.sequential_text);
    const std::vector<float> log_probability = spells ? spelled_scores(questions, task) : std::vector<float>{},
                             state = states(questions, task);
    ItemPrior keys = prior();
    const std::size_t count = 1 + questions.negatives[0].size(), numbers = kSigns + 1;
    std::vector<float> rows(questions.list.size() * count * numbers), signs(count * kSigns);
    for (const Question& q : questions.list) {
      keys.signs(q, state.data() + q.index * static_cast<std::size_t>(keys.width()), candidates_of(questions, q),
                 signs.data());
      for (std::size_t c = 0; c < count; ++c) {
        float* const row = rows.data() + (q.index * count + c) * numbers;
        std::copy_n(signs.data() + c * kSigns, kSigns, row);
        row[kSigns] = spells ? log_probability[q.index * count + c] : 0.0f;
      }
    }
    std::vector<double> w = fit_weights(rows, count, numbers);
    if (w[kSigns] < 0) {  // improbable numbers are no evidence: without them, the others are fitted anew
      for (std::size_t r = kSigns; r < rows.size(); r += numbers) rows[r] = 0;
      w = fit_weights(rows, count, numbers);
    }
    Mix mix;
    std::copy_n(w.begin(), kSigns, mix.sign.begin());
    mix.text = w[kSigns];
    return mix;
  }

  // (questions, candidates): the log-probability of each candidate's number, by a search as wide as there are
  // candidates.
  std::vector<float> spelled_scores(const Questions& questions, Task task, std::uint64_t order = 0) {
    const std::size_t count = 1 + questions.negatives[0].size();
    std::vector<float> out(questions.list.size() * count, 0.0f), evidence;
    if (o_.text_weight == 0) return out;
    const auto wide = static_cast<std::int32_t>(count);
    thaw::ConstrainedBeamSearch search({.beams = wide, .results = wide, .start_token = kStart});
    std::vector<std::int32_t> place(static_cast<std::size_t>(data_.items));
    std::vector<thaw::TokenTrie> tries(kTogether);
    std::vector<thaw::AllowedIds> allowed;
    for (std::size_t begin = 0; begin < questions.list.size(); begin += kTogether) {
      const std::size_t end = (std::min)(questions.list.size(), begin + kTogether);
      builder_.clear();
      allowed.clear();
      for (std::size_t i = begin; i < end; ++i) {
        const Question& q = questions.list[i];
        const std::vector<std::int32_t> candidates = candidates_of(questions, q);
        auto shuffled = candidates;
        order_of(q, order).shuffle(shuffled);
        if (task == Task::direct)
          put_direct(bare_template(task), q.user, q.history, shuffled, -1, {}, evidence);
        else
          put_sequential(bare_template(task), q.user, q.history, {});
        thaw::require(tries[i - begin].assign(spelled_, candidates, kEnd).ok(), "Trainer: a candidate is listed twice");
        allowed.push_back({&tries[i - begin], nullptr});
      }
      read(wide, nullptr);
      search.run(decoder_, allowed);
      for (std::size_t i = begin; i < end; ++i) {
        const std::vector<std::int32_t> candidates = candidates_of(questions, questions.list[i]);
        for (std::size_t c = 0; c < count; ++c) place[static_cast<std::size_t>(candidates[c])] = static_cast<int>(c);
        for (const thaw::FoundId& f : search.found(i - begin))
          out[i * count + static_cast<std::size_t>(place[static_cast<std::size_t>(f.id)])] =
              static_cast<float>(f.score);
      }
    }
    return out;
  }
  // What the order of candidates in a direct prompt changes.
  PositionBias position_bias(const Questions& questions) {
    const std::vector<float> one = spelled_scores(questions, Task::direct, 0),
                             other = spelled_scores(questions, Task::direct, 1);
    const std::size_t count = 1 + questions.negatives[0].size();
    PositionBias bias;
    for (std::size_t q = 0; q < questions.list.size(); ++q) {
      const auto best = [&](const std::vector<float>& of) {
        const auto first = of.begin() + static_cast<std::ptrdiff_t>(q * count);
        return std::max_element(first, first + static_cast<std::ptrdiff_t>(count)) - first;
      };
      bias.other_first += best(one) != best(other) ? 1 : 0;
      for (std::size_t c = q * count; c < (q + 1) * count; ++c)
        bias.moved += std::fabs(static_cast<double>(one[c]) - static_cast<double>(other[c]));
    }
    bias.other_first /= static_cast<double>(questions.list.size());
    bias.moved /= static_cast<double>(one.size());
    return bias;
  }

 private:
  static constexpr std::size_t kTogether = 16;

  static TrainerOptions completed(TrainerOptions o, std::int32_t pieces, std::int32_t items) {
    o.model.language.vocab_size = pieces;
    if (!o.prior) return o;
    o.model.items = items;
    o.model.causal = true;
    return o;
  }
  bool is_hidden(std::int32_t item) const { return std::binary_search(hidden_.begin(), hidden_.end(), item); }
  // In what order candidates stand in a prompt that asks.
  thaw::Philox order_of(const Question& q, std::uint64_t order) const {
    return thaw::Philox(thaw::Key{o_.seed}.fold(0x6f72646572 + order).bits, static_cast<std::uint64_t>(q.index));
  }
  static std::vector<std::int32_t> candidates_of(const Questions& questions, const Question& q) {
    std::vector<std::int32_t> out{q.answer};
    out.insert(out.end(), questions.negatives[q.index].begin(), questions.negatives[q.index].end());
    return out;
  }
  std::vector<std::int32_t> all_items() const {
    std::vector<std::int32_t> all(static_cast<std::size_t>(data_.items));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  GraphInput<A> graph_input(Backend::Context& context) const {
    GraphInput<A> out{{}, &graph_, o_.layers, {}};
    const Index width = o_.model.graph_width;
    if (width > 0) {
      const float* const rows = o_.prior ? units_.data() : vectors_.data();
      out.vectors = A::view(context, rows, {graph_.nodes(), width});
      out.items = A::view(context, rows + graph_.users() * width, {graph_.items(), width});
    }
    return out;
  }
  thaw::ModelOf<Plan, A> net_on(Backend::Context& context) const {
    return thaw::map_unnamed<A>(parameters_.values(), [&](const A& a) { return A::view(context, a.data, a.shape); });
  }
  // The encoder's output for what the builder holds.
  A encode(Backend::Context& context) {
    return read_prompts(net_on(context), builder_.batch(context), graph_input(context));
  }
  void keep_states(const A& memory, float* out) const {
    const Index width = o_.model.language.d_model;
    for (const std::int32_t row : builder_.ends()) {
      if (row >= 0)
        std::copy_n(memory.data + row * width, width, out);
      else
        std::fill_n(out, width, 0.0f);
      out += width;
    }
  }

  template <class Net, class Batch, class V>
  V next_loss(const Net& net, const Batch& batch, const V& memory, const GraphInput<A>& graph, thaw::Key key) {
    thaw::Philox rng(key.bits, 0);
    negatives_.draw(data_.items, o_.negatives, rng);
    return follow_loss(net, batch, memory, graph, negatives_, context_);
  }

  int draw_template(Task task, thaw::Philox& rng) const {
    return static_cast<int>(rng.below(static_cast<std::uint32_t>(templates(task).size())));
  }
  std::int32_t draw_user(thaw::Philox& rng) const {
    return learners_[rng.below(static_cast<std::uint32_t>(learners_.size()))];
  }
  // More and more candidates: to copy the only one is easy, and what is learnt there serves for many.
  std::size_t candidates_now() {
    if (!o_.prior) return o_.candidates;
    const double passed = static_cast<double>(steps()) / static_cast<double>(o_.steps);
    const double share = std::clamp((passed - 0.1) / 0.4, 0.0, 1.0);
    return 2 + static_cast<std::size_t>(share * static_cast<double>(o_.candidates - 2));
  }

  void draw_direct(thaw::Philox& rng) {
    const std::int32_t user = draw_user(rng);
    const auto train = data_.train(user);
    std::size_t at = rng.below(static_cast<std::uint32_t>(train.size()));
    if (o_.prior) {  // what came before, as it is asked
      at = (std::max)(at, std::size_t{1});
      history_.assign(train.begin(), train.begin() + static_cast<std::ptrdiff_t>(at));
    } else {  // the rest of the list, what came right before the positive last
      history_.assign(train.begin(), train.end());
      history_.erase(history_.begin() + static_cast<std::ptrdiff_t>(at));
      if (at > 0)
        std::rotate(history_.begin() + static_cast<std::ptrdiff_t>(at) - 1,
                    history_.begin() + static_cast<std::ptrdiff_t>(at), history_.end());
    }
    candidates_.assign(1, train[at]);
    thaw::draw_negatives(data_, user, candidates_now() - 1, rng, candidates_);
    rng.shuffle(candidates_);
    put_direct(draw_template(Task::direct, rng), user, history_, candidates_, train[at], spelled_[train[at]], numbers_);
  }
  void draw_sequential(thaw::Philox& rng) {
    const std::int32_t user = draw_user(rng);
    if (!o_.prior) {
      const thaw::NextItem next = thaw::draw_next_item(data_, user, o_.history, rng);
      return put_sequential(draw_template(Task::sequential, rng), user, next.history, spelled_[next.answer]);
    }
    // All of her list, or a stretch of it: every item of it learns.
    auto list = data_.train(user);
    if (list.size() > o_.history + 1)
      list = list.subspan(rng.below(static_cast<std::uint32_t>(list.size() - o_.history)), o_.history + 1);
    const bool spells = o_.sequential_text && o_.text_weight > 0;
    put_history(Task::sequential, list.first(list.size() - 1), {}, {}, spelled_[list.back()], list.subspan(1), spells);
  }
  void put_direct(int number, std::int32_t user, std::span<const std::int32_t> history,
                  std::span<const std::int32_t> candidates, std::int32_t positive, std::span<const std::int32_t> answer,
                  std::vector<float>& evidence) {
    evidence.assign(o_.model.evidence ? candidates.size() * static_cast<std::size_t>(kEvidence) : 0, 0.0f);
    if (o_.model.evidence) evidence_.about(user, history, candidates, positive, evidence.data());
    if (o_.prior) {
      follows_.assign(positive >= 0 ? history.begin() + 1 : history.end(), history.end());
      if (positive >= 0) follows_.push_back(positive);
      return put_history(Task::direct, history, candidates, evidence, answer, follows_);
    }
    const auto prompt = writer_.write(Task::direct, number, user, candidates);
    thaw::require(prompt.ok(), "Trainer: a direct prompt cannot be written");
    builder_.add(prompt.value(),
                 {.evidence = evidence, .answer = answer, .nodes = o_.direct_nodes, .users = data_.users()});
  }
  void put_sequential(int number, std::int32_t user, std::span<const std::int32_t> history,
                      std::span<const std::int32_t> answer) {
    if (o_.prior) return put_history(Task::sequential, history, {}, {}, answer, {});
    const auto prompt =
        writer_.write(Task::sequential, number, user, history.last((std::min)(history.size(), o_.history)));
    thaw::require(prompt.ok(), "Trainer: a sequential prompt cannot be written");
    builder_.add(prompt.value(),
                 {.answer = answer, .nodes = o_.sequential_nodes, .order = true, .users = data_.users()});
  }
  // The end of the history, `follows` (empty, or one a history item) cut to it.
  void put_history(Task task, std::span<const std::int32_t> history, std::span<const std::int32_t> candidates,
                   std::span<const float> evidence, std::span<const std::int32_t> answer,
                   std::span<const std::int32_t> follows, bool spells = true) {
    const auto end = history.last((std::min)(history.size(), o_.history));
    const auto prompt = writer_.write_history(task, end, candidates);
    thaw::require(prompt.ok(), "Trainer: a prompt without history or candidates");
    builder_.add(prompt.value(), {.evidence = evidence,
                                  .answer = answer,
                                  .history = end.size(),
                                  .follows = follows.last((std::min)(follows.size(), end.size())),
                                  .nodes = o_.model.graph_width > 0,
                                  .users = data_.users(),
                                  .spells = spells});
  }

  // Encodes what the builder holds, for a search; keeps states where `states` is given.
  void read(Index beams, float* states) {
    decoder_.start_from(
        [&](Backend::Context& context) {
          const A memory = encode(context);
          if (states != nullptr) keep_states(memory, states);
          return memory;
        },
        {builder_.batch(context_).prompts}, beams, trie_.depth() + 1);
  }

  // put(question, place) adds a prompt and says what may be answered.
  template <class Put>
  Quality ask(const Questions& questions, const Mix* mix, const Put& put) {
    thaw::require(mix == nullptr || o_.prior, "Trainer: a mix for a model without a prior");
    thaw::ConstrainedBeamSearch search({.beams = o_.beams,
                                        .results = (std::min)(10, o_.beams),
                                        .start_token = kStart,
                                        .language_weight = mix != nullptr ? mix->text : 1.0});
    std::unique_ptr<ItemPrior> keys = mix != nullptr ? std::make_unique<ItemPrior>(prior()) : nullptr;
    const auto width = static_cast<std::size_t>(o_.model.language.d_model);
    std::vector<float> states(kTogether * width);
    std::vector<std::vector<float>> priors(kTogether);
    std::vector<thaw::AllowedIds> allowed;
    Quality quality;
    for (std::size_t begin = 0; begin < questions.list.size(); begin += kTogether) {
      const std::size_t end = (std::min)(questions.list.size(), begin + kTogether);
      builder_.clear();
      allowed.clear();
      for (std::size_t i = begin; i < end; ++i) allowed.push_back(put(questions.list[i], i - begin));
      read(o_.beams, mix != nullptr ? states.data() : nullptr);
      for (std::size_t i = 0; i < allowed.size() && mix != nullptr; ++i) {
        weigh(*keys, questions.list[begin + i], states.data() + i * width, *mix, allowed[i], priors[i]);
        allowed[i].prior = priors[i].data();
      }
      search.run(decoder_, allowed);
      for (std::size_t i = begin; i < end; ++i) {
        const auto found = search.found(i - begin);
        const auto at = std::find_if(found.begin(), found.end(),
                                     [&](const thaw::FoundId& f) { return f.id == questions.list[i].answer; });
        if (at == found.end())
          quality.add_missing();
        else
          quality.add(at - found.begin(), 0);
      }
    }
    return quality.finish();
  }
  // The prior of every id of a trie, at its id.
  void weigh(ItemPrior& keys, const Question& q, const float* state, const Mix& mix, const thaw::AllowedIds& ids,
             std::vector<float>& out) {
    const auto list = ids.trie->ids();
    scores_.resize(list.size());
    keys.score(q, state, mix, list, scores_);
    out.resize(static_cast<std::size_t>(ids.trie->id_limit()));
    for (std::size_t i = 0; i < list.size(); ++i) out[static_cast<std::size_t>(list[i])] = scores_[i];
  }

  const thaw::ItemSequences& data_;
  const thaw::PropagationGraph& graph_;
  std::span<const float> vectors_;
  std::vector<std::int32_t> number_;
  PromptWriter writer_;
  PieceMap map_;
  TrainerOptions o_;
  std::vector<float> units_;             // `vectors` at length 1, with a prior
  std::unique_ptr<GraphFeatures> step_;  // one step from them to a user, with a prior
  Evidence evidence_;
  thaw::GrowingArena weight_arena_, arena_;
  Backend::Context weights_, context_;
  thaw::Parameters<Plan, float, Backend> parameters_;
  thaw::Tape<float, Backend> tape_;
  thaw::Adam<float, Backend> adam_;
  BatchBuilder<Backend> builder_;
  T5Decoder<Backend> decoder_;
  thaw::Schedule schedule_;
  thaw::TokenSequences spelled_;
  thaw::TokenTrie trie_;
  SharedNegatives negatives_;
  std::vector<std::int32_t> learners_, history_, candidates_, follows_, hidden_;
  std::vector<float> numbers_, scores_;
};

}  // namespace elmrec
