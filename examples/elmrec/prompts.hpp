// Prompts: sentences with slots for a user and items, as tokens, with the entity that each token belongs to.
//
//   const elmrec::PromptWriter writer(tokenizer);
//   elmrec::Prompt p = writer.write(elmrec::Task::direct, /*template*/ 0, user, candidates);
//   p.tokens, p.entity, p.order          // token ids; what each token names; numbered by appearance
//
// Users and items are written with their numbers, from 1: "user_12", "item_45". Where the entity stands is known from
// the characters of its slot, before anything is tokenised, so that a piece can never be taken for another's: the
// published way, to look for pieces that are digits, loses "4," and "4.", which are pieces of their own. No template
// has a comma or a full stop behind an id. The last template of a task is bare, and what validation and test use.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "elmrec/pieces.hpp"
#include "thaw/core/error.hpp"

namespace elmrec {

// The soft task switch: which learnt vectors stand in front of a prompt. No data with explanations can be had, so the
// task has no templates here.
enum class Task : std::uint8_t { explanation, sequential, direct };
inline constexpr int kTasks = 3;

// {user} and {items} are the slots.
inline std::span<const std::string_view> templates(Task task) {
  static constexpr std::string_view kSequential[] = {
      "After {items} what will {user} take next ?",
      "{user} took {items} in this order : what comes next ?",
      "The list of {user} so far : {items} and the next one is",
      "Continue the purchases of {user} : {items}",
      "Given {items} in order of time , choose the next item of {user} :",
      "{user} {items}",
  };
  static constexpr std::string_view kDirect[] = {
      "Which of {items} fits {user} best ?",
      "Choose one item for {user} out of {items}",
      "Candidates : {items} and the best one for {user} is",
      "{user} may pick one of {items} : which one ?",
      "{user} {items}",
  };
  if (task == Task::sequential) return kSequential;
  if (task == Task::direct) return kDirect;
  return {};
}
inline int bare_template(Task task) { return static_cast<int>(templates(task).size()) - 1; }

struct Entity {
  enum class Kind : std::uint8_t { none, user, item };
  Kind kind = Kind::none;
  std::int32_t id = -1;  // as given: from 0
  friend bool operator==(const Entity&, const Entity&) = default;
};

struct Prompt {
  Task task = Task::direct;
  std::vector<std::int32_t> tokens;
  std::vector<Entity> entity;       // of each token
  std::vector<std::int32_t> order;  // of each token: 1 for the first entity of the prompt, 2, ...; 0 for none
};

// The rows of a table of users, then items, that each token is given: -1 for tokens that name nothing.
inline void node_rows(const Prompt& prompt, std::int32_t users, std::vector<std::int32_t>& out) {
  out.clear();
  for (const Entity& e : prompt.entity)
    out.push_back(e.kind == Entity::Kind::none ? -1 : e.kind == Entity::Kind::user ? e.id : users + e.id);
}

class PromptWriter {
 public:
  // item_number[item]: the number that stands in the text, less 1; empty: the item itself. `short_items`: "45" in place
  // of "item_45": the pieces that the answer is spelled with, and half as many.
  explicit PromptWriter(const TextTokenizer& tokenizer, std::span<const std::int32_t> item_number = {},
                        bool short_items = false)
      : tokenizer_(&tokenizer), item_number_(item_number), short_items_(short_items) {}

  // Errors: a task or template that does not exist, no item.
  thaw::Result<Prompt> write(Task task, int number, std::int32_t user, std::span<const std::int32_t> items) const {
    const auto list = templates(task);
    if (number < 0 || number >= static_cast<int>(list.size()))
      return thaw::make_fault(thaw::FaultKind::out_of_range, "prompt: template ", number, " of task ",
                              static_cast<int>(task), ", which has ", list.size());
    if (items.empty())
      return thaw::make_fault(thaw::FaultKind::out_of_range, "prompt: user ", user,
                              " has no item to write; an empty history needs another method");
    std::string text;
    std::vector<Span> spans;
    std::string_view rest = list[static_cast<std::size_t>(number)];
    while (!rest.empty()) {
      const std::size_t slot = (std::min)(rest.find('{'), rest.size());
      text.append(rest.substr(0, slot));
      rest.remove_prefix(slot);
      if (rest.empty()) break;
      const std::size_t close = rest.find('}');
      const bool is_user = rest.substr(1, close - 1) == "user";
      rest.remove_prefix(close + 1);
      if (is_user) {
        put({Entity::Kind::user, user}, user, text, spans);
        continue;
      }
      for (std::size_t i = 0; i < items.size(); ++i) {
        if (i > 0) text += ' ';
        put({Entity::Kind::item, items[i]}, number_of(items[i]), text, spans);
      }
    }
    return tokenise(task, text, spans);
  }
  // A history and nothing else, or a history, ":" and candidates: no user, as a new one has no number that says
  // anything. Errors: neither history nor candidates.
  thaw::Result<Prompt> write_history(Task task, std::span<const std::int32_t> history,
                                     std::span<const std::int32_t> candidates = {}) const {
    if (history.empty() && candidates.empty())
      return thaw::make_fault(thaw::FaultKind::out_of_range,
                              "prompt: no history and no candidates; an empty history needs another method");
    std::string text;
    std::vector<Span> spans;
    const auto put_all = [&](std::span<const std::int32_t> items) {
      for (std::size_t i = 0; i < items.size(); ++i) {
        if (i > 0) text += ' ';
        put({Entity::Kind::item, items[i]}, number_of(items[i]), text, spans);
      }
    };
    put_all(history);
    if (!candidates.empty()) text += history.empty() ? ": " : " : ";
    put_all(candidates);
    return tokenise(task, text, spans);
  }
  // What the decoder must say for an item: its number, without the end token.
  std::vector<std::int32_t> answer(std::int32_t item) const {
    return tokenizer_->encode(std::to_string(number_of(item) + 1)).ids;
  }
  std::int32_t number_of(std::int32_t item) const {
    return item_number_.empty() ? item : item_number_[static_cast<std::size_t>(item)];
  }

 private:
  struct Span {
    std::size_t begin, end;
    Entity entity;
  };
  void put(Entity entity, std::int32_t number, std::string& text, std::vector<Span>& spans) const {
    const std::size_t begin = text.size();
    text += entity.kind == Entity::Kind::user ? "user_" : short_items_ ? "" : "item_";
    text += std::to_string(number + 1);
    spans.push_back({begin, text.size(), entity});
  }
  // A piece belongs to the slot that it shares a character with; spans and pieces are both in order.
  Prompt tokenise(Task task, const std::string& text, const std::vector<Span>& spans) const {
    Prompt prompt;
    prompt.task = task;
    Pieces pieces = tokenizer_->encode(text);
    prompt.tokens = std::move(pieces.ids);
    prompt.entity.resize(prompt.tokens.size());
    prompt.order.resize(prompt.tokens.size(), 0);
    std::size_t s = 0;
    for (std::size_t i = 0; i < prompt.tokens.size(); ++i) {
      while (s < spans.size() && spans[s].end <= pieces.begin[i]) ++s;
      if (s == spans.size() || pieces.end[i] <= spans[s].begin) continue;
      prompt.entity[i] = spans[s].entity;
      prompt.order[i] = static_cast<std::int32_t>(s) + 1;
    }
    return prompt;
  }

  const TextTokenizer* tokenizer_;
  std::span<const std::int32_t> item_number_;
  bool short_items_;
};

}  // namespace elmrec
