// Tables of a trained model beside the methods that need no training: known users, new users, new items.
//
//   elmrec::print_known(name, mark, data, edges, graph, trainer, validation, test, parts, fit_negatives);
//   elmrec::print_new(held, data, edges, graph, trainer, validation, fit_negatives);
//
// A model with a prior gets a row for each of its parts, so that what each brings can be seen: its state alone, the
// whole prior, the number alone, everything through the search.
#pragma once

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "elmrec/hold_out.hpp"
#include "elmrec/rivals.hpp"
#include "elmrec/trainer.hpp"
#include "thaw/eval/result_table.hpp"

namespace elmrec {

inline std::vector<thaw::Spread> cells(const Quality& q) {
  return {{1, q.hits[0], 0}, {1, q.hits[1], 0}, {1, q.hits[2], 0}, {1, q.ndcg[1], 0}, {1, q.ndcg[2], 0}};
}
inline const std::vector<std::string> kMetrics{"HR@1", "HR@5", "HR@10", "NDCG@5", "NDCG@10"};

// Weights for the searches of both tasks.
struct Mixes {
  Mix direct, sequential;
};
// `wide`: the same kind of questions with many more negatives, for the ranking of all items.
inline Mixes fit_mixes(Trainer& trainer, const Questions& validation, const Questions& wide) {
  const Mixes mixes{trainer.fit(validation, Task::direct), trainer.fit(wide, Task::sequential)};
  for (const Mix* mix : {&mixes.direct, &mixes.sequential})
    std::printf(
        "%s, weights: state %.4f, walks %.4f, from the last item %.4f, popularity %.4f, graph vectors %.4f, number "
        "%.4f\n",
        mix == &mixes.direct ? "direct" : "sequential", mix->sign[0], mix->sign[1], mix->sign[2], mix->sign[3],
        mix->sign[4], mix->text);
  if (trainer.options().text_weight > 0) {
    const PositionBias bias = trainer.position_bias(validation);
    std::printf(
        "direct, candidates in another order: log-probability of a number moves by %.3f, another one comes first for "
        "%.1f %% of questions\n",
        bias.moved, 100 * bias.other_first);
  }
  return mixes;
}

// Both rankings of the same questions.
struct TwoTables {
  thaw::ResultTable direct, all;
  std::vector<std::int32_t> items;  // of the ranking of all
  bool parts = false;               // rows for the number alone too, through the trie and as free text: they take long

  TwoTables(const std::string& what, std::size_t negatives, std::vector<std::int32_t> ranked)
      : direct(what + ", the answer among " + std::to_string(negatives) + " negatives, %", kMetrics),
        all(what + ", all items that the user does not have, %", kMetrics),
        items(std::move(ranked)) {}

  template <class Scorer>
  void add(const std::string& name, const Questions& questions, Scorer&& scorer) {
    direct.add_row(name, cells(rank_sampled(questions, scorer)));
    all.add_row(name, cells(rank_all(questions, scorer, items)));
  }
  // `name` is the model's.
  void add_model(const std::string& name, const Questions& questions, Trainer& trainer, const Mixes* mixes) {
    if (parts) {
      direct.add_row(name + ", free text", cells(trainer.free(questions, Task::direct)));
      all.add_row(name + ", free text", cells(trainer.free(questions, Task::sequential)));
    }
    if (mixes == nullptr) {
      direct.add_row(name, cells(trainer.direct(questions)));
      all.add_row(name, cells(trainer.sequential(questions)));
      return;
    }
    const bool text = trainer.options().text_weight > 0;
    Mix state;
    state.sign[0] = 1;
    add_prior(name + ", state alone", questions, trainer, state, state);
    add_prior(name + ", prior", questions, trainer, mixes->direct, mixes->sequential);
    if (text && parts) {
      direct.add_row(name + ", number alone", cells(trainer.direct(questions)));
      all.add_row(name + ", number alone", cells(trainer.sequential(questions)));
    }
    direct.add_row(name, cells(trainer.direct(questions, &mixes->direct)));
    all.add_row(name, cells(trainer.sequential(questions, &mixes->sequential)));
    ItemPrior prior = trainer.prior();
    const std::vector<float> states = trainer.states(questions, Task::direct);
    all.add_row(name + ", asked as direct",
                cells(rank_all(questions, PriorScorer(prior, states, mixes->direct), items)));
  }
  void print() const {
    std::printf("\n%s\n%s", direct.text().c_str(), all.text().c_str());
    std::fflush(stdout);
  }

 private:
  void add_prior(const std::string& name, const Questions& questions, Trainer& trainer, const Mix& for_direct,
                 const Mix& for_next) {
    ItemPrior prior = trainer.prior();
    direct.add_row(
        name, cells(rank_sampled(questions, PriorScorer(prior, trainer.states(questions, Task::direct), for_direct))));
    all.add_row(
        name,
        cells(rank_all(questions, PriorScorer(prior, trainer.states(questions, Task::sequential), for_next), items)));
  }
};

inline std::vector<std::int32_t> all_items_of(const thaw::ItemSequences& data) {
  std::vector<std::int32_t> items(static_cast<std::size_t>(data.items));
  std::iota(items.begin(), items.end(), 0);
  return items;
}

// `mark` stands behind the names of what read the graph; the weights for all items are fitted among `fit_negatives`.
inline void print_known(const std::string& name, const std::string& mark, const thaw::ItemSequences& data,
                        const thaw::Interactions& edges, const thaw::PropagationGraph& graph, Trainer& trainer,
                        const Questions& validation, const Questions& test, bool parts, std::size_t fit_negatives) {
  TwoTables tables(data.name + ", " + std::to_string(test.list.size()) + " users", 99, all_items_of(data));
  tables.parts = parts;
  const std::vector<std::int32_t> number =
      thaw::number_items(data, trainer.options().numbering, trainer.options().seed);
  tables.add("popularity" + mark, test, PopularityScorer(edges));
  tables.add("largest number + 1, + 2, ...", test, LargestPlusOne(number));
  tables.add("walks of 3 steps" + mark, test, WalkScorer(graph));
  tables.add("walks of 3 steps, whole history" + mark, test, WalkScorer(graph, true));
  if (trainer.options().prior) {
    const Questions wide =
        validation_questions(data, {.negatives = (std::min)(fit_negatives, static_cast<std::size_t>(data.items) / 2),
                                    .most_users = static_cast<std::int32_t>(validation.list.size())});
    const Mixes mixes = fit_mixes(trainer, validation, wide);
    tables.add_model(name + mark, test, trainer, &mixes);
  } else {
    tables.add_model(name + mark, test, trainer, nullptr);
  }
  tables.print();
}

// New users after one, two and three interactions; new items with one and three. Needs a model with a prior.
inline void print_new(HoldOut& held, const thaw::ItemSequences& data, const thaw::Interactions& edges,
                      const thaw::PropagationGraph& graph, Trainer& trainer, const Questions& validation,
                      std::size_t fit_negatives) {
  std::vector<std::int32_t> known, fresh;
  for (std::int32_t i = 0; i < data.items; ++i)
    (held.is_new_item[static_cast<std::size_t>(i)] == 0 ? known : fresh).push_back(i);
  trainer.hide(fresh);
  const Questions wide = held.validation(data, {.negatives = (std::min)(fit_negatives, known.size() / 2),
                                                .seed = 2025,
                                                .most_users = static_cast<std::int32_t>(validation.list.size())});
  const Mixes mixes = fit_mixes(trainer, validation, wide);
  for (const std::size_t shown : {1u, 2u, 3u}) {
    const Questions questions = held.new_users(data, shown, {});
    TwoTables tables(
        data.name + ", " + std::to_string(questions.list.size()) + " new users, " + std::to_string(shown) + " shown",
        99, known);
    tables.add("popularity", questions, PopularityScorer(edges));
    tables.add("walks of 3 steps", questions, WalkScorer(graph, true));
    tables.add_model("ELMRec, best", questions, trainer, &mixes);
    tables.print();
  }
  const Questions questions = held.new_items(data, {});
  const std::vector<float> states = trainer.states(questions, Task::direct);
  thaw::ResultTable table(data.name + ", new items among other new items, %", kMetrics);
  for (const std::size_t shown : {1u, 3u}) {
    const auto seen = held.with_evidence(shown);
    thaw::require(seen.ok(), "new items: their evidence makes no graph");
    const thaw::PropagationGraph wider(seen.value());
    ItemPrior prior = trainer.prior(&wider);
    for (const std::int32_t item : fresh) trainer.place_new_item(prior, item, held.evidence(item, shown));
    const std::string with = ", " + std::to_string(shown) + " interactions of each";
    table.add_row("popularity" + with, cells(rank_sampled(questions, PopularityScorer(seen.value()))));
    table.add_row("walks of 3 steps" + with, cells(rank_sampled(questions, WalkScorer(wider))));
    table.add_row("ELMRec, best, prior" + with,
                  cells(rank_sampled(questions, PriorScorer(prior, states, mixes.direct))));
  }
  std::printf("\n%s", table.text().c_str());
}

}  // namespace elmrec
