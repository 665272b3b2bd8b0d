// segment_attention: multi-head softmax attention inside the segments of a ragged batch, with a bias by distance.
//
//   // rows 0..6 of q, k, v are one sequence, rows 7..9 another: nothing is padded, so nothing needs a mask
//   const std::int32_t offsets[] = {0, 7, 10};
//   auto y = thaw::segment_attention(q, k, v, bias, {{offsets, 2}, {offsets, 2}, /*heads*/ 8, /*before*/ 6});
//
//   S[h, a, b] = scale q[a, h] . k[b, h] + bias[h, b - a + before],  y[a, h] = sum over b of dropout(softmax(S))[b]
//   v[b, h]
//
// Queries and keys may be different sequences of the same segments (cross-attention). Scores never leave a thread's
// cache but for the weights that a backward pass needs. Each thread has heads of its own, so that a result does not
// depend on their number. For dense 4-D arrays and any additive bias see nn/attention.hpp.
#pragma once

#include "thaw/backend/threads.hpp"
#include "thaw/ops/attention.hpp"
#include "thaw/ops/index.hpp"

namespace thaw::inline v0 {

// Rows of a ragged batch: segment s has the rows offsets[s] .. offsets[s + 1). Nothing is owned.
struct Segments {
  const std::int32_t* offsets = nullptr;
  Index count = 0;

  Index begin(Index s) const { return offsets[s]; }
  Index size(Index s) const { return offsets[s + 1] - offsets[s]; }
  Index rows() const { return count == 0 ? 0 : offsets[count]; }
  Index longest() const {
    Index most = 0;
    for (Index s = 0; s < count; ++s) most = size(s) > most ? size(s) : most;
    return most;
  }
};

// `before`: position in the bias of distance zero (key minus query, both counted from the start of their segment).
struct SegmentAttentionSettings {
  Segments queries, keys;
  Index heads = 1;
  Index before = 0;
  bool causal = false;  // query a sees keys 0 .. a
  double scale = 1;
  DropoutRule dropout = {};
  void* saved = nullptr;  // the weights, kept for the backward pass
};

namespace op {

struct SegmentAttention {
  static constexpr const char* name = "segment_attention";
  using Attr = SegmentAttentionSettings;
  enum Input : int { q, k, v, bias };  // bias may be missing

  template <class T>
  static Shape shape(const Attr& attr, const T* in, int n) {
    const Index width = in[q].shape.last();
    require(n == 3 || n == 4, "segment_attention: ", n, " inputs, expected queries, keys, values and perhaps a bias");
    require(attr.queries.count == attr.keys.count, "segment_attention: ", attr.queries.count, " segments of queries, ",
            attr.keys.count, " of keys");
    require(attr.heads > 0 && in[q].shape == Shape{attr.queries.rows(), width} && width % attr.heads == 0,
            "segment_attention: queries ", in[q].shape, " for ", attr.queries.rows(), " rows and ", attr.heads,
            " heads");
    require(in[k].shape == Shape{attr.keys.rows(), width} && in[v].shape == in[k].shape, "segment_attention: keys ",
            in[k].shape, " and values ", in[v].shape, ", expected (", attr.keys.rows(), ", ", width, ")");
    for (Index s = 0; s < attr.queries.count; ++s)
      require(attr.queries.size(s) == 0 || attr.keys.size(s) > 0, "segment_attention: segment ", s, " has no keys");
    if (n == 4)
      require(in[bias].shape.rank == 2 && in[bias].shape[0] == attr.heads &&
                  attr.before - attr.queries.longest() + 1 >= 0 &&
                  attr.before + attr.keys.longest() <= in[bias].shape[1],
              "segment_attention: bias ", in[bias].shape, " with ", attr.before, " distances before zero for ",
              attr.queries.longest(), " queries and ", attr.keys.longest(), " keys in ", attr.heads, " heads");
    return in[q].shape;
  }

  template <class A>
  static A forward(Attr& attr, const A* in, int n, bool record) {
    using R = typename A::Real;
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    if constexpr (has_own_memory<typename A::Context>) {
      attr.saved = A::Backend::segment_attention(context, attr, in, n, out, record);
      return out;
    } else {
      forward_by_head<R>(context, attr, in, n, record, out);
      return out;
    }
  }

  template <class R, class A>
  static void forward_by_head(typename A::Context& context, Attr& attr, const A* in, int n, bool record, const A& out) {
    const Index most = attr.queries.longest() * attr.keys.longest(), head_weights = weights(attr) / attr.heads;
    R* saved = record ? context.arena->template take<R>(weights(attr)) : nullptr;
    attr.saved = saved;
    over_heads<R>(context, attr, 2 * most, [&](auto& own, Index head, R* scratch) {
      R* kept = record ? saved + head * head_weights : scratch;
      for (Index s = 0; s < attr.queries.count; ++s) {
        const Part part(attr, in[q].shape.last(), head, s);
        if (part.rows == 0) continue;
        probabilities<A>(own, attr, part, in, n, head, kept);
        const R* used = kept;
        if (part.rule.active()) {
          A::Backend::dropout(own, part.rule, part.rows, part.columns, kept, scratch + most);
          used = scratch + most;
        }
        A::Backend::product(own, part.mix(), used, in[v].data + part.key, out.data + part.query,
                            static_cast<const R*>(nullptr));
        if (record) kept += part.rows * part.columns;
      }
    });
  }

  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int n, Adjoints<T>& d) {
    if constexpr (is_array<T>)
      backward(attr, g, in, n, d);
    else
      Engine<T>::template pull_through<SegmentAttention>(attr, g, in, n, d);
  }

  // The same from simpler operations, segment by segment.
  template <class T>
  static T compose(const Attr& attr, const T* in, int n) {
    Arena& arena = *context_of(in, n, name).arena;
    T* parts = arena.template take<T>(attr.queries.count);
    int used = 0;
    for (Index s = 0; s < attr.queries.count; ++s)
      if (attr.queries.size(s) > 0) parts[used++] = compose_segment(attr, in, n, s, arena);
    return thaw::concat(parts, used, 0);
  }

 private:
  // One head of one segment: where its numbers lie, and its products.
  struct Part {
    Index rows, columns, head, width, query, key;  // `query` and `key`: offsets of the first element
    DropoutRule rule;

    Part(const Attr& attr, Index full, Index h, Index s)
        : rows(attr.queries.size(s)),
          columns(attr.keys.size(s)),
          head(full / attr.heads),
          width(full),
          query(attr.queries.begin(s) * full + h * head),
          key(attr.keys.begin(s) * full + h * head),
          rule(rule_of(attr, h, s)) {}

    // (rows, columns) = queries x keys^T
    ProductShape scores() const {
      ProductShape p;
      p.rows = rows, p.columns = columns, p.inner = head;
      p.a_row_stride = width;
      p.b_inner_stride = 1, p.b_column_stride = width;
      p.c_row_stride = columns;
      return p;
    }
    // (rows, head) = weights x values
    ProductShape mix() const {
      ProductShape p;
      p.rows = rows, p.columns = head, p.inner = columns;
      p.a_row_stride = columns;
      p.b_inner_stride = p.c_row_stride = width;
      return p;
    }
    // (columns, head) = weights^T x queries
    ProductShape mix_back() const {
      ProductShape p;
      p.rows = columns, p.columns = head, p.inner = rows;
      p.a_row_stride = 1, p.a_inner_stride = columns;
      p.b_inner_stride = p.c_row_stride = width;
      return p;
    }
  };

  static DropoutRule rule_of(const Attr& attr, Index h, Index s) {
    DropoutRule rule = attr.dropout;
    if (rule.active()) rule.key = rule.key.fold(static_cast<std::uint64_t>(s * attr.heads + h));
    return rule;
  }
  // Numbers in all weights.
  static Index weights(const Attr& attr) {
    Index count = 0;
    for (Index s = 0; s < attr.queries.count; ++s) count += attr.queries.size(s) * attr.keys.size(s);
    return count * attr.heads;
  }

  // work(context of the thread, head, scratch of `numbers` numbers) for every head, in parallel where it pays.
  template <class R, class Context, class Work>
  static void over_heads(Context& context, const Attr& attr, Index numbers, const Work& work) {
    constexpr Index kWorth = 1 << 14;             // weights below which a second thread costs more than it brings
    constexpr std::size_t kWorkspace = 5u << 18;  // of a thread's products
    const int threads = threads_of(context);
    ArenaScope scope(*context.arena);
    if (threads < 2 || weights(attr) < kWorth) {
      R* scratch = context.arena->template take<R>(numbers);
      for (Index head = 0; head < attr.heads; ++head) work(context, head, scratch);
      return;
    }
    R* scratch = context.arena->template take<R>(numbers * threads);
    auto* spaces = static_cast<std::byte*>(context.arena->take_bytes(kWorkspace * static_cast<std::size_t>(threads)));
    in_parallel(threads, [&](int part) {
      Arena arena(spaces + kWorkspace * static_cast<std::size_t>(part), kWorkspace);
      Context own = context;
      own.arena = &arena;
      if constexpr (requires { own.threads; }) own.threads = 1;
      const Index begin = attr.heads * part / threads, end = attr.heads * (part + 1) / threads;
      for (Index head = begin; head < end; ++head) work(own, head, scratch + part * numbers);
    });
  }

  // softmax(scale q k^T + bias) of one head of one segment.
  template <class A, class Context>
  static void probabilities(Context& own, const Attr& attr, const Part& part, const A* in, int n, Index head,
                            typename A::Real* out) {
    using R = typename A::Real;
    using B = typename A::Backend;
    B::product(own, part.scores(), in[q].data + part.query, in[k].data + part.key, out, static_cast<const R*>(nullptr));
    if (attr.scale != 1) B::affine_map(own, part.rows * part.columns, static_cast<R>(attr.scale), R(0), out, out);
    const R* slope = n == 4 ? in[bias].data + head * in[bias].shape[1] + attr.before : nullptr;
    if (!attr.causal) {
      if (slope == nullptr) return B::softmax(own, part.rows, part.columns, out, out);
      return B::softmax_biased(own, part.rows, part.columns, out, slope, Index(-1), out);
    }
    for (Index a = 0; a < part.rows; ++a, out += part.columns) {
      const Index seen = a + 1 < part.columns ? a + 1 : part.columns;
      if (slope == nullptr)
        B::softmax(own, 1, seen, out, out);
      else
        B::softmax_biased(own, 1, seen, out, slope - a, Index(0), out);
      for (Index b = seen; b < part.columns; ++b) out[b] = R(0);
    }
  }

  template <class T>
  static void backward(const Attr& attr, const T& g, const T* in, int n, Adjoints<T>& d) {
    using R = typename T::Real;
    using B = typename T::Backend;
    auto& context = context_of(in, n, name);
    T slopes[4];
    for (int i = 0; i < n; ++i) slopes[i] = T::make(context, in[i].shape);
    if constexpr (has_own_memory<typename T::Context>)
      B::segment_attention_backward(context, attr, in, n, g, slopes);
    else
      backward_by_head<R>(context, attr, g, in, n, slopes);
    for (int i = 0; i < n; ++i) d.give(i, slopes[i]);
  }

  template <class R, class T>
  static void backward_by_head(typename T::Context& context, const Attr& attr, const T& g, const T* in, int n,
                               T* slopes) {
    using B = typename T::Backend;
    if (n == 4) B::fill(context, slopes[bias].size(), R(0), slopes[bias].data);
    clear_unseen(context, attr, slopes);
    const Index most = attr.queries.longest() * attr.keys.longest(), head_weights = weights(attr) / attr.heads;
    over_heads<R>(context, attr, 2 * most, [&](auto& own, Index head, R* scratch) {
      const R* kept = static_cast<const R*>(attr.saved) + head * head_weights;
      for (Index s = 0; s < attr.queries.count; ++s) {
        const Part part(attr, in[q].shape.last(), head, s);
        if (part.rows == 0) continue;
        const Index count = part.rows * part.columns;
        R *used = scratch, *slope = scratch + most;
        const R* weight = kept;
        if (part.rule.active()) B::dropout(own, part.rule, part.rows, part.columns, kept, used), weight = used;
        B::product(own, part.mix_back(), weight, g.data + part.query, slopes[v].data + part.key,
                   static_cast<const R*>(nullptr));
        B::product(own, part.scores(), g.data + part.query, in[v].data + part.key, slope,
                   static_cast<const R*>(nullptr));
        if (part.rule.active()) B::dropout(own, part.rule, part.rows, part.columns, slope, slope);
        B::softmax_backward(own, part.rows, part.columns, kept, slope, slope);
        if (n == 4) {
          R* to = slopes[bias].data + head * in[bias].shape[1] + attr.before;
          for (Index a = 0; a < part.rows; ++a)
            for (Index b = 0; b < part.columns; ++b) to[b - a] += slope[a * part.columns + b];
        }
        if (attr.scale != 1) B::affine_map(own, count, static_cast<R>(attr.scale), R(0), slope, slope);
        B::product(own, part.mix(), slope, in[k].data + part.key, slopes[q].data + part.query,
                   static_cast<const R*>(nullptr));
        B::product(own, part.mix_back(), slope, in[q].data + part.query, slopes[k].data + part.key,
                   static_cast<const R*>(nullptr));
        kept += count;
      }
    });
  }
  // Keys that no query sees get no gradient.
  template <class Context, class T>
  static void clear_unseen(Context& context, const Attr& attr, const T* slopes) {
    const Index width = slopes[k].shape.last();
    for (Index s = 0; s < attr.queries.count; ++s)
      for (const int i : {int(k), int(v)})
        if (attr.queries.size(s) == 0)
          T::Backend::fill(context, attr.keys.size(s) * width, typename T::Real(0),
                           slopes[i].data + attr.keys.begin(s) * width);
  }

  // Segment s as a dense 4-D attention with the bias spread out: (queries, width).
  template <class T>
  static T compose_segment(const Attr& attr, const T* in, int n, Index s, Arena& arena) {
    using A = typename T::Plain;
    const Index rows = attr.queries.size(s), columns = attr.keys.size(s), width = in[q].shape.last();
    const auto rows_of = [&](const T& x, const Segments& of) {
      return thaw::reshape(thaw::slice(x, 0, of.begin(s), of.size(s)), {1, of.size(s), 1, width});
    };
    const Shape square{1, 1, attr.heads, rows, columns};
    T scores = thaw::attention_scores(rows_of(in[q], attr.queries), rows_of(in[k], attr.keys), attr.heads);
    if (attr.scale != 1) scores = thaw::scale(scores, attr.scale);
    if (n == 4) {
      auto* ids = arena.template take<std::int32_t>(attr.heads * rows * columns);
      const Index distances = in[bias].shape[1];
      for (Index i = 0; i < attr.heads * rows * columns; ++i) {
        const Index h = i / (rows * columns), a = i / columns % rows, b = i % columns;
        ids[i] = static_cast<std::int32_t>(h * distances + b - a + attr.before);
      }
      const T flat = thaw::reshape(in[bias], {in[bias].size(), 1});
      scores = thaw::add(scores, thaw::reshape(thaw::gather(flat, Bags{ids, nullptr, square.size(), false}), square));
    }
    if (attr.causal) {
      auto* mask = arena.template take<typename A::Real>(rows * columns);
      for (Index i = 0; i < rows * columns; ++i) mask[i] = i % columns > i / columns ? typename A::Real(-1e30) : 0;
      scores = thaw::add(scores, A::of_host(context_of(in, n, name), mask, {rows, columns}));
    }
    T map = thaw::softmax(scores);
    if (attr.dropout.active()) {
      T* heads = arena.template take<T>(attr.heads);
      for (Index h = 0; h < attr.heads; ++h) heads[h] = thaw::dropout(thaw::slice(map, 2, h, 1), rule_of(attr, h, s));
      map = thaw::concat(heads, static_cast<int>(attr.heads), 2);
    }
    return thaw::reshape(thaw::attention_mix(map, rows_of(in[v], attr.keys)), {rows, width});
  }
};

}  // namespace op

// Attention without a bias: q (query rows, width), k and v (key rows, width) -> (query rows, width).
// Errors: rows that are not those of the segments, heads that do not divide the width.
template <Value T>
T segment_attention(const T& q, const T& k, const T& v, const SegmentAttentionSettings& settings) {
  return apply<op::SegmentAttention>(settings, {q, k, v});
}
// With a bias (heads, distances); distance b - a of query a and key b is column b - a + settings.before.
template <Value T>
T segment_attention(const T& q, const T& k, const T& v, const T& bias, const SegmentAttentionSettings& settings) {
  return apply<op::SegmentAttention>(settings, {q, k, v, bias});
}

}  // namespace thaw::inline v0
