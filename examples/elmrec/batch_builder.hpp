// BatchBuilder: prompts with their answers, put together as the model reads them.
//
//   elmrec::BatchBuilder<Backend> builder(map, config);
//   builder.clear();
//   builder.add(prompt, {.evidence = numbers, .answer = tokens, .nodes = true, .users = data.users()});
//   auto batch = builder.batch(context);                     // views into the builder: valid until the next clear()
//
// Ids are those of the piece map.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "elmrec/elmrec.hpp"
#include "elmrec/piece_map.hpp"

namespace elmrec {

// What goes with a prompt.
struct PromptParts {
  std::span<const float> evidence{};        // kEvidence numbers a candidate, in the order of the prompt; empty: none
  std::span<const std::int32_t> answer{};   // small ids without the end; empty when it is asked for
  std::size_t history = 0;                  // items in front that are no candidates
  std::span<const std::int32_t> follows{};  // what came behind each of them, where that is learnt; empty: it is not
  bool nodes = false, order = false;        // vectors of graph and order
  std::int32_t users = 0;                   // where item rows begin
  bool spells = true;                       // false: nothing is written, the prompt is there for its states
};

template <class B>
class BatchBuilder {
 public:
  using A = thaw::Array<float, B>;

  BatchBuilder(const PieceMap& map, Index switches) : map_(&map), switches_(switches) { clear(); }

  void clear() {
    for (auto* list : {&tokens_, &task_rows_, &order_, &nodes_, &items_, &before_, &next_, &states_, &follows_, &ends_})
      list->clear();
    evidence_.clear();
    prompts_.assign(1, 0), answers_.assign(1, 0);
    any_node_ = any_order_ = false;
  }
  Index prompts() const { return static_cast<Index>(prompts_.size()) - 1; }

  void add(const Prompt& prompt, const PromptParts& parts) {
    for (Index s = 0; s < switches_; ++s)
      put(-1, static_cast<std::int32_t>(static_cast<Index>(prompt.task) * switches_ + s), {}, nullptr);
    std::size_t items = 0, ended = 0;
    const auto end = [&] {  // the last token so far was the last one of item `ended` of the history
      states_.push_back(static_cast<std::int32_t>(tokens_.size()) - 1);
      follows_.push_back(parts.follows[ended++]);
    };
    std::int32_t last = 0;
    for (std::size_t i = 0; i < prompt.tokens.size(); ++i) {
      const Entity& e = prompt.entity[i];
      const bool is_item = e.kind == Entity::Kind::item;
      if (ended < items && ended < parts.follows.size() && prompt.order[i] != last) end();
      if (is_item && prompt.order[i] != last) ++items;
      last = prompt.order[i];
      const bool node = parts.nodes && e.kind != Entity::Kind::none;
      put(map_->small(prompt.tokens[i]), -1,
          {.order = parts.order ? prompt.order[i] - 1 : -1,
           .node = !node     ? -1
                   : is_item ? parts.users + e.id
                             : e.id,
           .item = is_item ? e.id : -1},
          is_item && items > parts.history && !parts.evidence.empty()
              ? parts.evidence.data() + (items - parts.history - 1) * static_cast<std::size_t>(kEvidence)
              : nullptr);
      if (items <= parts.history && is_item) last_state_ = static_cast<std::int32_t>(tokens_.size()) - 1;
    }
    if (ended < items && ended < parts.follows.size()) end();
    ends_.push_back(parts.history > 0 ? last_state_ : -1);
    prompts_.push_back(static_cast<std::int32_t>(tokens_.size()));
    any_node_ = any_node_ || parts.nodes || !parts.evidence.empty();
    any_order_ = any_order_ || parts.order;
    if (parts.spells) {
      before_.push_back(kStart);
      for (const std::int32_t token : parts.answer) before_.push_back(token), next_.push_back(token);
      next_.push_back(kEnd);
    }
    answers_.push_back(static_cast<std::int32_t>(before_.size()));
  }
  // The row at the end of each prompt's history; -1 without one.
  std::span<const std::int32_t> ends() const { return ends_; }

  ElmRecBatch<A> batch(typename B::Context& context) const {
    ElmRecBatch<A> out;
    const auto rows = static_cast<Index>(tokens_.size());
    out.prompts = {prompts_.data(), prompts()};
    out.answers = {answers_.data(), prompts()};
    out.tokens = {tokens_.data(), nullptr, rows, false};
    out.switches = {task_rows_.data(), nullptr, rows, false};
    out.order = {order_.data(), nullptr, rows, false};
    out.nodes = {nodes_.data(), nullptr, rows, false};
    out.items = {items_.data(), nullptr, rows, false};
    out.states = {states_.data(), nullptr, static_cast<Index>(states_.size()), false};
    out.follows = follows_;
    out.evidence = A::view(context, evidence_.data(), {rows, kEvidence});
    out.before = {before_.data(), nullptr, static_cast<Index>(before_.size()), false};
    out.next = next_.data();
    out.any_node = any_node_;
    out.any_order = any_order_;
    return out;
  }

 private:
  struct Rows {
    std::int32_t order = -1, node = -1, item = -1;
  };
  void put(std::int32_t token, std::int32_t task_row, const Rows& rows, const float* evidence) {
    tokens_.push_back(token), task_rows_.push_back(task_row);
    order_.push_back(rows.order), nodes_.push_back(rows.node), items_.push_back(rows.item);
    for (Index k = 0; k < kEvidence; ++k) evidence_.push_back(evidence != nullptr ? evidence[k] : 0.0f);
  }

  const PieceMap* map_;
  Index switches_;
  std::vector<std::int32_t> tokens_, task_rows_, order_, nodes_, items_;  // (rows)
  std::vector<float> evidence_;                                           // (rows, kEvidence)
  std::vector<std::int32_t> prompts_, answers_;                           // (prompts + 1)
  std::vector<std::int32_t> before_, next_;                               // (answer tokens)
  std::vector<std::int32_t> states_, follows_;                            // (places)
  std::vector<std::int32_t> ends_;                                        // (prompts)
  std::int32_t last_state_ = -1;
  bool any_node_ = false, any_order_ = false;
};

}  // namespace elmrec
