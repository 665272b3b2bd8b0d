// StepwiseDecoder: an EncoderDecoder that writes one token at a time, for any number of beams of many sequences at
// once.
//
//   thaw::StepwiseDecoder<float, thaw::Cpu> decoder(net, context);
//   thaw::ArenaScope scope(*context.arena);
//   decoder.start(memory, memory_rows, /*rows*/ 20 * sequences, /*steps*/ 5);   // memory as net.encode gives it
//   auto h = decoder.step(tokens, parents, count);        // (count, width); row r continues row parents[r]
//   auto scores = decoder.logits(ids, n);                 // (count, n), of these tokens only
//
// Keys and values of each step stay where they were computed; what a beam search moves is each row's list of
// ancestors, a few whole numbers. Rows need only be grouped by sequence, in the order of the sequences. Plain arrays,
// memory from the context's arena, nothing recorded. Not a search: who chooses the tokens is the caller.
#pragma once

#include "thaw/nn/encoder_decoder.hpp"

namespace thaw::inline v0 {

template <class R, class B>
class StepwiseDecoder {
 public:
  using A = Array<R, B>;
  using Context = typename B::Context;
  using Net = EncoderDecoder<A>;

  // Computes with `context`, wherever the weights lie.
  StepwiseDecoder(const Net& net, Context& context)
      : net_(map_unnamed<A>(net,
                            [&](const A& a) {
                              return A{a.data, &context, a.shape};
                            })),
        context_(&context) {}

  // memory (memory rows, width), one segment a sequence. At most `rows` rows in any step and `steps` steps. What is
  // kept comes from the context's arena: about 2 blocks (memory rows + rows steps) heads head_width numbers.
  void start(const A& memory, const Segments& sequences, Index rows, Index steps) {
    require(steps > 0 && rows >= sequences.count, "StepwiseDecoder: ", rows, " rows and ", steps, " steps for ",
            sequences.count, " sequences");
    Arena& arena = *context_->arena;
    sequences_ = sequences;
    rows_ = rows, steps_ = steps;
    position_ = 0, count_ = sequences.count;
    blocks_ = arena.template take<Kept>(net_.decoder.blocks.count);
    hidden_ = A::make(*context_, {rows, net_.width()});
    bias_ = net_.decoder.positions(steps - 1, 0);
    for (int i = 0; i < net_.decoder.blocks.count; ++i) {
      const auto& attention = net_.decoder.blocks[i].cross[0].attention;
      const Shape cache{steps * rows, attention.key.weight.shape[0]};
      blocks_[i] = {A::make(*context_, cache), A::make(*context_, cache), attention.key(memory),
                    attention.value(memory)};
    }
    for (Lines* lines : {&now_, &next_})
      *lines = {arena.template take<std::int32_t>(rows * steps), arena.template take<std::int32_t>(rows)};
  }

  // Row r continues row parents[r] of the step before with tokens[r]; in the first step parents[r] is the sequence.
  // Gives the rows' vectors (count, width), already scaled for the product with the embedding; they live until the
  // next step. Errors: an unknown parent, rows that are not in the order of their sequences, a step too many.
  A step(const std::int32_t* tokens, const std::int32_t* parents, Index count) {
    require(position_ < steps_ && count <= rows_, "StepwiseDecoder: step ", position_ + 1, " of ", steps_, " with ",
            count, " of ", rows_, " rows");
    ContextScope scope(*context_);
    follow(parents, count);
    const A x = net_.embed(Bags{tokens, nullptr, count, false});
    const Ragged ragged = ragged_rows();
    for (int i = 0; i < net_.decoder.blocks.count; ++i) {
      ContextScope inside(*context_);
      const A y = block(net_.decoder.blocks[i], blocks_[i], x, ragged);
      B::copy(*context_, y.size(), y.data, x.data);
    }
    const A h = net_.scaled(net_.decoder.norm(x));
    B::copy(*context_, h.size(), h.data, hidden_.data);
    ++position_;
    return hidden();
  }

  // What the last step gave: (rows of that step, width).
  A hidden() const { return {hidden_.data, context_, {count_, net_.width()}}; }
  // Scores of `count` tokens for all rows: (rows, count), in the context's arena.
  A logits(const std::int32_t* ids, Index count) const {
    return matmul(hidden(), net_.embed(Bags{ids, nullptr, count, false}), Transpose::second);
  }
  // Scores of `count` tokens for one row.
  void logits(Index row, const std::int32_t* ids, Index count, R* out) const {
    require(row >= 0 && row < count_, "StepwiseDecoder: row ", row, " of ", count_);
    op::check_ids(Bags{ids, nullptr, count, false}, net_.embedding.shape[0], "StepwiseDecoder::logits");
    const Index width = net_.width();
    ProductShape s;
    s.rows = s.columns = 1, s.inner = width;
    s.a_row_stride = s.b_column_stride = width;
    s.b_inner_stride = s.c_row_stride = 1;
    for (Index i = 0; i < count; ++i)
      B::product(*context_, s, hidden_.data + row * width, net_.embedding.data + ids[i] * width, out + i,
                 static_cast<const R*>(nullptr));
  }
  // Scores of the whole vocabulary: (rows, vocabulary).
  A logits() const { return matmul(hidden(), net_.embedding, Transpose::second); }

  // Sequence of a row of the last step; steps done.
  Index sequence(Index row) const { return now_.sequence[row]; }
  Index position() const { return position_; }
  const Net& net() const { return net_; }

 private:
  // Keys and values of a block: of all steps (steps rows, inner), and of the memory.
  struct Kept {
    A keys, values, memory_keys, memory_values;
  };
  // Where the rows come from: row r of step t stands at line[r steps + t]; its sequence.
  struct Lines {
    std::int32_t* line;
    std::int32_t* sequence;
  };
  // The rows of one step as segments: each its own, with its ancestors as keys; and grouped by sequence.
  struct Ragged {
    Segments own, past, grouped;
    Bags ancestors;
  };

  void follow(const std::int32_t* parents, Index count) {
    for (Index r = 0; r < count; ++r) {
      const Index parent = parents[r];
      require(parent >= 0 && parent < count_, "StepwiseDecoder: row ", r, " continues row ", parent, " of ", count_);
      next_.sequence[r] = position_ == 0 ? parents[r] : now_.sequence[parent];
      require(r == 0 || next_.sequence[r] >= next_.sequence[r - 1], "StepwiseDecoder: row ", r, " belongs to sequence ",
              next_.sequence[r], " and stands behind one of sequence ", next_.sequence[r > 0 ? r - 1 : 0]);
      for (Index t = 0; t < position_; ++t) next_.line[r * steps_ + t] = now_.line[parent * steps_ + t];
      next_.line[r * steps_ + position_] = static_cast<std::int32_t>(position_ * rows_ + r);
    }
    const Lines held = now_;
    now_ = next_;
    next_ = held;
    count_ = count;
  }

  Ragged ragged_rows() const {
    Arena& arena = *context_->arena;
    const Index past = position_ + 1;
    auto* own = arena.template take<std::int32_t>(count_ + 1);
    auto* ends = arena.template take<std::int32_t>(count_ + 1);
    auto* ids = arena.template take<std::int32_t>(count_ * past);
    auto* groups = arena.template take<std::int32_t>(sequences_.count + 1);
    for (Index s = 0; s <= sequences_.count; ++s) groups[s] = 0;
    for (Index r = 0; r <= count_; ++r)
      own[r] = static_cast<std::int32_t>(r), ends[r] = static_cast<std::int32_t>(r * past);
    for (Index r = 0; r < count_; ++r) {
      ++groups[now_.sequence[r] + 1];
      for (Index t = 0; t < past; ++t) ids[r * past + t] = now_.line[r * steps_ + t];
    }
    for (Index s = 0; s < sequences_.count; ++s) groups[s + 1] += groups[s];
    return {{own, count_}, {ends, count_}, {groups, sequences_.count}, {ids, nullptr, count_ * past, false}};
  }

  A block(const TransformerBlock<A>& block, const Kept& kept, A x, const Ragged& ragged) const {
    const BiasedAttention<A>& self = block.self.attention;
    const A normal = block.self.norm(x);
    keep(self.key(normal), kept.keys);
    keep(self.value(normal), kept.values);
    const AttentionCall<A> call{.bias = &bias_, .before = steps_ - 1 - position_};
    x = add(x, self.output(self.mix(self.query(normal), ragged.own, gather(kept.keys, ragged.ancestors),
                                    gather(kept.values, ragged.ancestors), ragged.past, call)));
    const BiasedAttention<A>& cross = block.cross[0].attention;
    const A query = cross.query(block.cross[0].norm(x));
    x = add(x, cross.output(cross.mix(query, ragged.grouped, kept.memory_keys, kept.memory_values, sequences_, {})));
    return add(x, block.feed_forward(x, {}));
  }
  // The rows of this step into a cache.
  void keep(const A& rows, const A& cache) const {
    B::copy(*context_, rows.size(), rows.data, cache.data + position_ * rows_ * cache.shape[1]);
  }

  Net net_;
  Context* context_;
  Segments sequences_;
  Kept* blocks_ = nullptr;
  Lines now_{}, next_{};
  A hidden_, bias_;
  Index rows_ = 0, steps_ = 0, position_ = 0, count_ = 0;
};

}  // namespace thaw::inline v0
