// RequestScorer: the scores of many candidate items for one request, when the model does not change between requests.
//
//   mwuf::RequestScorer<DeepFm<Spec>> scorer(model, context);          // context: arena of the catalogue, and threads
//   scorer.set_items(catalogue);                                       // a row for each item, fields of items filled
//   in scorer.score(request, candidates, count, logits);                  // request: one row, the other fields filled
//   in
//
// The logits of model.logits for the request's fields beside each candidate's. What an item brings into the model is
// computed once for the whole catalogue, what the request brings once a request: of the first layer a sum is left for
// each candidate, and of the pairs one product. For base models that FusedStep trains. Not for a model that learns:
// call set_items again when its weights or the vectors of items have changed.
#pragma once

#include "mwuf/fused_step.hpp"

namespace mwuf {

template <class Plan>
class RequestScorer {
 public:
  using Model = thaw::ModelOf<Plan, FloatArray>;

  RequestScorer(const Model& model, Backend::Context& context) : model_(model), context_(context) {
    if constexpr (requires { model.deep; }) tower_ = FusedTower(model.deep);
    const Index numbers = tower_.first_out() + model.tables.width + 1;
    stride_ = (numbers + 15) / 16 * 16;
    request_ = context.arena->take<float>(stride_);
  }

  // item_vectors (rows, item width): what a method made of the items; null: the model's own rows. Takes memory of the
  // arena each time there are more items than before.
  void set_items(const ClickBatch<>& catalogue, const float* item_vectors = nullptr) {
    if (catalogue.rows > most_) {
      most_ = catalogue.rows;
      items_ = context_.arena->take<float>(most_ * stride_);
    }
    count_ = catalogue.rows;
    thaw::ArenaScope scope(*context_.arena);
    const Index width = model_.tables.item_width();
    FloatArray vectors = item_vectors == nullptr ? model_.tables.item_vectors(catalogue)
                                                 : FloatArray::view(context_, item_vectors, {count_, width});
    side(catalogue, model_.tables.item_fields, &vectors, items_);
  }

  // candidates (count): rows of the catalogue. Only the first row of the request is read.
  void score(const ClickBatch<>& request, const std::int32_t* candidates, Index count, float* logits) {
    thaw::ArenaScope scope(*context_.arena);
    ClickBatch<> one = request;
    one.rows = 1;
    for (auto& column : one.field) column.bags.count = 1;
    side(one, ~model_.tables.item_fields, nullptr, request_);
    const Index blocks = (count + FusedTower::kBlock - 1) / FusedTower::kBlock;
    const int threads = thaw::threads_of(context_), parts = count < kWorthAThread ? 1 : threads;
    const Index space = (tower_.space() + 15) / 16 * 16;
    float* const spaces = context_.arena->take<float>(parts * space);
    thaw::in_parallel(parts, [&](int part) {
      const Index pieces = blocks < parts ? parts : (blocks + parts - 1) / parts * parts;  // as many for each thread
      for (Index b = pieces * part / parts; b < pieces * (part + 1) / parts; ++b) {
        const Index begin = count * b / pieces, end = count * (b + 1) / pieces;
        block(candidates + begin, end - begin, spaces + part * space, logits + begin);
      }
    });
  }

  // Bytes of the catalogue that one candidate reads.
  Index bytes_of_item() const { return stride_ * static_cast<Index>(sizeof(float)); }

 private:
  static constexpr Index kLanes = 16;  // a fixed number, which the compiler turns into vectors
  static constexpr Index kWorthAThread = 192;

  // What some fields, and the item where there is one, bring in: to (rows, stride): their part of the first layer, the
  // sum of their vectors, and everything that goes into the logit as it is. The request brings the biases of the model.
  void side(const ClickBatch<>& batch, std::uint32_t mask, const FloatArray* item, float* to) const {
    const auto& tables = model_.tables;
    const Index width = tables.width, fields = tables.fields.layout.count, joined = (fields + 1) * width;
    const bool request = item == nullptr;
    thaw::Arena& arena = *context_.arena;
    const auto entries = tables.fields.bags(batch.field, batch.rows, mask);
    const FloatArray vectors = tables.fields.selected(mask) > 0 ? tables.fields(entries) : FloatArray{};
    const FloatArray linear =
        vectors.data != nullptr && tables.linear.count > 0 ? tables.linear[0](entries) : FloatArray{};
    const Index taken = entries.fields;
    float* const x = arena.take<float>(FusedTower::kBlock * joined);
    float* const first = arena.take<float>(FusedTower::kBlock * tower_.first_out());
    float* const space = arena.take<float>(tower_.space());
    thaw::fill(context_.isa, FusedTower::kBlock * joined, 0.0F, x);
    for (Index begin = 0; begin < batch.rows; begin += FusedTower::kBlock) {
      const Index left = batch.rows - begin, count = left < FusedTower::kBlock ? left : FusedTower::kBlock;
      for (Index r = 0; r < count; ++r) lay_out(mask, vectors, item, begin + r, x + r * joined);
      if (tower_.first_out() > 0) tower_.first_layer_alone(context_.isa, count, x, request, space, first);
      for (Index r = 0; r < count; ++r) {
        float* const own = to + (begin + r) * stride_;
        const float* const row = x + r * joined;
        thaw::copy(tower_.first_out(), first + r * tower_.first_out(), own);
        float* const sum = own + tower_.first_out();
        for (Index j = 0; j < width; ++j) {
          sum[j] = 0;
          for (Index f = 0; f <= fields; ++f) sum[j] += row[f * width + j];
        }
        float& rest = sum[width];
        rest = !request && tables.item_width() > width ? (*item)[(begin + r) * tables.item_width() + width] : 0.0F;
        if constexpr (requires { model_.bias; })
          if (request) rest += model_.bias[0];
        for (Index f = 0; linear.data != nullptr && f < taken; ++f) rest += linear[(begin + r) * taken + f];
        if (Plan::kFusedPairs) thaw::add_pairs(context_.isa, {1, fields + 1, width}, row, &rest);
      }
    }
  }
  // The vectors of one row at their places among zeros.
  void lay_out(std::uint32_t mask, const FloatArray& vectors, const FloatArray* item, Index row, float* x) const {
    const auto& tables = model_.tables;
    const Index width = tables.width;
    const int fields = tables.fields.layout.count;
    if (item != nullptr) thaw::copy(width, item->data + row * tables.item_width(), x);
    Index at = row * tables.fields.selected(mask) * width;
    for (int f = 0; f < fields; ++f) {
      if ((mask >> f & 1u) == 0) continue;
      thaw::copy(width, vectors.data + at, x + (f + 1) * width);
      at += width;
    }
  }

  void block(const std::int32_t* candidates, Index count, float* space, float* logits) const {
    const Index hidden = tower_.first_out(), width = model_.tables.width;
    const float* const sum = request_ + hidden;
    const bool deeper = tower_.size() > 0 && tower_.layers() > 1;
    for (Index r = 0; r < count; ++r) {
      thaw::require(candidates[r] >= 0 && candidates[r] < count_, "RequestScorer: candidate ", candidates[r],
                    " is not among ", count_, " items");
      if (r + kAhead < count && candidates[r + kAhead] >= 0)
        for (Index at = 0; at < stride_; at += kLanes)
          __builtin_prefetch(items_ + candidates[r + kAhead] * stride_ + at);
      const float* const item = items_ + candidates[r] * stride_;
      float logit = sum[width] + item[hidden + width];
      if (Plan::kFusedPairs) logit += FusedTower::dot(sum, item + hidden, width);
      if (deeper)
        join(hidden, item, space + r * hidden);
      else if (hidden > 0)
        logit += request_[0] + item[0];
      logits[r] = logit;
    }
    if (deeper) tower_.after_first(context_.isa, count, space, space, logits);
  }
  // h = relu(request + item)
  void join(Index hidden, const float* item, float* h) const {
    const auto lane = [&](Index j) {
      const float z = request_[j] + item[j];
      h[j] = z > 0 ? z : 0.0F;
    };
    Index j = 0;
    for (; j + kLanes <= hidden; j += kLanes)
      for (Index l = 0; l < kLanes; ++l) lane(j + l);
    for (; j < hidden; ++j) lane(j);
  }
  static constexpr Index kAhead = 4;

  const Model& model_;
  Backend::Context& context_;
  FusedTower tower_;
  Index stride_ = 0, count_ = 0, most_ = 0;
  float* items_ = nullptr;    // (items, stride)
  float* request_ = nullptr;  // (stride)
};

}  // namespace mwuf
