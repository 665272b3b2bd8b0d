// BatchBuilder: prompts with their answers, put together as the model reads them.
//
//   elmrec::BatchBuilder<Backend> builder(map, config);
//   builder.clear();
//   builder.add(prompt, evidence, answer_tokens, /*nodes*/ true, users);
//   auto batch = builder.batch(context);                     // views into the builder: valid until the next clear()
//
// Ids are those of the piece map. `evidence` has kEvidence numbers an item of the prompt, in the order of the prompt's
// items, or is empty.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "elmrec/elmrec.hpp"
#include "elmrec/piece_map.hpp"

namespace elmrec {

template <class B>
class BatchBuilder {
 public:
  using A = thaw::Array<float, B>;

  BatchBuilder(const PieceMap& map, Index switches) : map_(&map), switches_(switches) { clear(); }

  void clear() {
    for (auto* list : {&tokens_, &task_rows_, &order_, &nodes_, &before_, &next_}) list->clear();
    evidence_.clear();
    prompts_.assign(1, 0), answers_.assign(1, 0);
    any_node_ = any_order_ = false;
  }
  Index prompts() const { return static_cast<Index>(prompts_.size()) - 1; }

  // `answer`: small ids without the end; empty when it is asked for. `users`: where item rows begin.
  void add(const Prompt& prompt, std::span<const float> evidence, std::span<const std::int32_t> answer, bool with_nodes,
           bool with_order, std::int32_t users) {
    for (Index s = 0; s < switches_; ++s)
      put(-1, static_cast<std::int32_t>(static_cast<Index>(prompt.task) * switches_ + s), -1, -1, nullptr);
    std::int32_t item = -1, last = 0;
    for (std::size_t i = 0; i < prompt.tokens.size(); ++i) {
      const Entity& e = prompt.entity[i];
      const bool is_item = e.kind == Entity::Kind::item;
      if (is_item && prompt.order[i] != last) ++item;
      last = prompt.order[i] > 0 ? prompt.order[i] : last;
      const std::int32_t node = !with_nodes || e.kind == Entity::Kind::none ? -1 : is_item ? users + e.id : e.id;
      put(map_->small(prompt.tokens[i]), -1, with_order ? prompt.order[i] - 1 : -1, node,
          is_item && !evidence.empty() ? evidence.data() + item * kEvidence : nullptr);
    }
    prompts_.push_back(static_cast<std::int32_t>(tokens_.size()));
    any_node_ = any_node_ || with_nodes || !evidence.empty();
    any_order_ = any_order_ || with_order;
    before_.push_back(kStart);
    for (const std::int32_t token : answer) before_.push_back(token), next_.push_back(token);
    next_.push_back(kEnd);
    answers_.push_back(static_cast<std::int32_t>(before_.size()));
  }

  ElmRecBatch<A> batch(typename B::Context& context) const {
    ElmRecBatch<A> out;
    const auto rows = static_cast<Index>(tokens_.size());
    out.prompts = {prompts_.data(), prompts()};
    out.answers = {answers_.data(), prompts()};
    out.tokens = {tokens_.data(), nullptr, rows, false};
    out.switches = {task_rows_.data(), nullptr, rows, false};
    out.order = {order_.data(), nullptr, rows, false};
    out.nodes = {nodes_.data(), nullptr, rows, false};
    out.evidence = A::view(context, evidence_.data(), {rows, kEvidence});
    out.before = {before_.data(), nullptr, static_cast<Index>(before_.size()), false};
    out.next = next_.data();
    out.any_node = any_node_;
    out.any_order = any_order_;
    return out;
  }

 private:
  void put(std::int32_t token, std::int32_t task_row, std::int32_t order, std::int32_t node, const float* evidence) {
    tokens_.push_back(token), task_rows_.push_back(task_row), order_.push_back(order), nodes_.push_back(node);
    for (Index k = 0; k < kEvidence; ++k) evidence_.push_back(evidence != nullptr ? evidence[k] : 0.0f);
  }

  const PieceMap* map_;
  Index switches_;
  std::vector<std::int32_t> tokens_, task_rows_, order_, nodes_;  // (rows)
  std::vector<float> evidence_;                                   // (rows, kEvidence)
  std::vector<std::int32_t> prompts_, answers_;                   // (prompts + 1)
  std::vector<std::int32_t> before_, next_;                       // (answer tokens)
  bool any_node_ = false, any_order_ = false;
};

}  // namespace elmrec
