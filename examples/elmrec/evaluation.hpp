// Ranking one right answer among candidates: hit rate and NDCG at 1, 5 and 10, ties counted honestly.
//
//   const elmrec::Questions test = elmrec::test_questions(data, {.negatives = 99, .seed = 2024});
//   elmrec::Quality q = elmrec::rank_sampled(test, scorer);       // answer + 99 negatives
//   elmrec::Quality f = elmrec::rank_all(test, scorer, items);    // all items that the user does not have
//
// A scorer has score(question, items, out): higher is better. Where others score as high as the answer, every order of
// them is equally likely, and the expected metric is counted: a constant scorer gets what chance gives. HR@k counts an
// answer among the first k; NDCG@k of rank r is 1 / log2(r + 1) up to k, as there is one answer. Not for rating values.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/data/sequence_examples.hpp"

namespace elmrec {

inline constexpr int kDepths[3] = {1, 5, 10};

struct Quality {
  std::int64_t questions = 0;
  double hits[3] = {}, ndcg[3] = {};  // sums while counting, means after finish()

  // `above` candidates score higher than the answer, `level` others as high.
  void add(std::int64_t above, std::int64_t level) {
    ++questions;
    for (int d = 0; d < 3; ++d) {
      for (std::int64_t rank = above + 1; rank <= (std::min<std::int64_t>)(kDepths[d], above + level + 1); ++rank) {
        const double chance = 1.0 / static_cast<double>(level + 1);
        hits[d] += chance;
        ndcg[d] += chance / std::log2(static_cast<double>(rank) + 1);
      }
    }
  }
  void add_missing() { ++questions; }
  Quality finish() const {
    Quality mean = *this;
    for (int d = 0; d < 3; ++d) {
      mean.hits[d] = questions > 0 ? hits[d] / static_cast<double>(questions) : 0;
      mean.ndcg[d] = questions > 0 ? ndcg[d] / static_cast<double>(questions) : 0;
    }
    return mean;
  }
};

struct Question {
  std::size_t index = 0;                  // among its questions
  std::int32_t user = -1;                 // of the data
  std::span<const std::int32_t> history;  // all that happened before, oldest first
  std::int32_t answer = -1;
};

struct Questions {
  std::vector<Question> list;
  std::vector<std::vector<std::int32_t>> negatives;  // of each question
};

struct QuestionOptions {
  std::size_t negatives = 99;
  std::uint64_t seed = 2024;
  std::int32_t most_users = 0;  // 0: all, else that many, drawn by seed
};

namespace detail {

template <class Make>
Questions questions(const thaw::ItemSequences& data, const QuestionOptions& o, const Make& make) {
  std::vector<std::int32_t> users;
  for (std::int32_t user = 0; user < data.users(); ++user)
    if (data.has_test(user)) users.push_back(user);
  if (o.most_users > 0 && o.most_users < static_cast<std::int32_t>(users.size())) {
    thaw::Philox(o.seed, 0x7573657273).shuffle(users);
    users.resize(static_cast<std::size_t>(o.most_users));
    std::sort(users.begin(), users.end());
  }
  Questions out;
  for (const std::int32_t user : users) {
    const thaw::NextItem next = make(user);
    out.list.push_back({out.list.size(), user, next.history, next.answer});
    out.negatives.push_back(thaw::negatives_of(data, user, o.negatives, o.seed));
  }
  return out;
}

}  // namespace detail

// Views into `data`, which must live on.
inline Questions test_questions(const thaw::ItemSequences& data, const QuestionOptions& o = {}) {
  return detail::questions(data, o,
                           [&](std::int32_t user) { return thaw::test_item(data, user, data.of(user).size()); });
}
inline Questions validation_questions(const thaw::ItemSequences& data, QuestionOptions o = {}) {
  o.seed += 1;
  return detail::questions(data, o,
                           [&](std::int32_t user) { return thaw::validation_item(data, user, data.of(user).size()); });
}

// The answer against the question's negatives.
template <class Scorer>
Quality rank_sampled(const Questions& questions, Scorer&& scorer) {
  Quality q;
  std::vector<std::int32_t> items;
  std::vector<float> scores;
  for (const Question& question : questions.list) {
    const std::vector<std::int32_t>& negatives = questions.negatives[question.index];
    items.assign(1, question.answer);
    items.insert(items.end(), negatives.begin(), negatives.end());
    scores.resize(items.size());
    scorer.score(question, items, scores);
    std::int64_t above = 0, level = 0;
    for (std::size_t i = 1; i < items.size(); ++i) above += scores[i] > scores[0], level += scores[i] == scores[0];
    q.add(above, level);
  }
  return q.finish();
}

// The answer against every one of `items` that is not in the history. An answer that is not in `items` is not found.
template <class Scorer>
Quality rank_all(const Questions& questions, Scorer&& scorer, std::span<const std::int32_t> items) {
  Quality q;
  std::vector<float> scores(items.size());
  const std::int32_t most = items.empty() ? 0 : *std::max_element(items.begin(), items.end());
  std::vector<std::int32_t> place(static_cast<std::size_t>(most) + 1, -1);
  for (std::size_t i = 0; i < items.size(); ++i) place[static_cast<std::size_t>(items[i])] = static_cast<int>(i);
  const auto place_of = [&](std::int32_t item) { return item <= most ? place[static_cast<std::size_t>(item)] : -1; };
  for (const Question& question : questions.list) {
    const std::int32_t answer = place_of(question.answer);
    if (answer < 0) {
      q.add_missing();
      continue;
    }
    scorer.score(question, items, scores);
    const float bar = scores[static_cast<std::size_t>(answer)];
    std::int64_t above = 0, level = -1;  // the answer itself
    for (const float score : scores) above += score > bar, level += score == bar;
    for (const std::int32_t item : question.history) {
      const std::int32_t known = place_of(item);
      if (known < 0 || known == answer) continue;
      above -= scores[static_cast<std::size_t>(known)] > bar;
      level -= scores[static_cast<std::size_t>(known)] == bar;
    }
    q.add(above, level);
  }
  return q.finish();
}

}  // namespace elmrec
