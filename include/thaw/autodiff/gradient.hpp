// gradient: reverse sweeps over a tape, as plain arrays or as values that can be differentiated again.
//
//   auto g = thaw::gradient(loss, w);                        // Array: nothing is recorded
//   auto h = thaw::gradient(loss, w, thaw::differentiable);  // Var: part of the same tape
//   auto G = thaw::gradient(loss, model);                    // the same for every tensor of a model
//
// Each node between the loss and the variables asked for is visited once; all others are skipped. A variable that the
// loss does not depend on gets zeros. Not a forward mode: a Jacobian needs one sweep a row.
#pragma once

#include "thaw/autodiff/var.hpp"
#include "thaw/core/module.hpp"
#include "thaw/ops/elementwise.hpp"
#include "thaw/ops/index.hpp"

namespace thaw::inline v0 {

struct Differentiable {};
inline constexpr Differentiable differentiable{};

// A table that several columns of a batch share: bag s is of column s % count, and the rows that column c names are
// first[c] .. first[c + 1] - 1 of the table. For optimisers, which can then work on columns at the same time.
struct RowColumns {
  int count = 0;
  const Index* first = nullptr;  // (count + 1), from 0 to the rows of the table
};

// The gradient of a row table as the rows that were touched: table row bags.ids[e] gets rows[s] of its segment s.
template <class R, class B>
struct RowGradient {
  Bags bags;
  Array<R, B> rows;  // (bags.count, width)
  RowGradient* next;
  const RowColumns* columns = nullptr;  // null: any bag may name any row
};

namespace detail {

// How a sweep runs a node's rule for plain arrays (T = Array) and for recorded values (T = Var).
template <class R, class B>
struct PlainSweep {
  using T = Array<R, B>;
  using N = Node<R, B>;
  static void pull(const N& node, const T& g, Adjoints<T>& d) { node.rule->plain(node, g, d); }
  static T accumulate(const T& sum, const T& more, bool& owned) {
    if (!owned) {
      owned = true;
      return add(sum, more);
    }
    B::template zip<op::PlusFunction>(*sum.context, sum.size(), sum.data, more.data, sum.data);
    return sum;
  }
};
template <class R, class B>
struct RecordedSweep {
  using T = Var<R, B>;
  using N = Node<R, B>;
  static void pull(const N& node, const T& g, Adjoints<T>& d) {
    auto* in = node.tape->arena().template take<T>(node.count);
    for (int i = 0; i < node.count; ++i)
      in[i] = T{node.in[i], node.parents[i], node.tape, node.parents[i] != nullptr ? node.parents[i]->stamp : 0};
    const T out{node.out, const_cast<N*>(&node), node.tape, node.stamp};
    node.rule->recorded(node, out, g, in, d);
  }
  static T accumulate(const T& sum, const T& more, bool&) { return add(sum, more); }
};

template <class R, class B, class Kind>
class Sweep {
 public:
  using T = typename Kind::T;
  using N = Node<R, B>;

  // Sweeps back from `last` to `first`, the oldest of the wanted nodes.
  Sweep(N* first, N* last) : first_(first), last_(last), count_(last->index - first->index + 1) {
    Arena& arena = last->tape->arena();
    slots_ = arena.template take<Slot>(count_);
    for (std::int32_t i = 0; i < count_; ++i) slots_[i].state = 0;
  }
  void want(N* node) { slot(node).state |= kActive; }
  // Table rows of this leaf are collected, not added into a dense table.
  void want_rows(N* node, RowGradient<R, B>** list) {
    slot(node).state |= kActive | kRows;
    slot(node).rows = list;
  }

  void run(const T& seed) {
    mark_active();
    Slot& start = slots_[count_ - 1];
    start.adjoint = seed;
    start.state |= kReached;
    for (N* node = last_; node != nullptr && node->index >= first_->index; node = node->previous) {
      const Slot& s = slot(node);
      if ((s.state & kReached) != 0 && (s.state & kBelow) != 0) pull(*node, s.adjoint);
    }
  }
  bool reached(const N* node) const { return (slots_[node->index - first_->index].state & kReached) != 0; }
  const T& adjoint(const N* node) const { return slots_[node->index - first_->index].adjoint; }

 private:
  enum : std::uint8_t { kActive = 1, kReached = 2, kOwned = 4, kRows = 8, kBelow = 16 };
  struct Slot {
    T adjoint;
    RowGradient<R, B>** rows;
    std::uint8_t state;
  };

  Slot& slot(const N* node) { return slots_[node->index - first_->index]; }

  // Active: is wanted, or depends on a wanted node (kBelow).
  void mark_active() {
    for (N* node = first_;; node = node->next) {
      for (int i = 0; i < node->count; ++i) {
        const N* parent = node->parents[i];
        if (parent != nullptr && parent->index >= first_->index && (slot(parent).state & kActive) != 0)
          slot(node).state |= kActive | kBelow;
      }
      if (node == last_) return;
    }
  }

  void pull(const N& node, const T& g) {
    constexpr int kFew = 32;
    require(node.count <= kFew, node.rule->name, ": more than 32 inputs");
    bool wanted[kFew], given[kFew];
    for (int i = 0; i < node.count; ++i) {
      const N* parent = node.parents[i];
      wanted[i] = parent != nullptr && parent->index >= first_->index && (slot(parent).state & kActive) != 0;
      given[i] = false;
    }
    if (collect_rows(node, g) || add_rows(node, g)) return;
    T* values = last_->tape->arena().template take<T>(node.count);
    Adjoints<T> d(values, wanted, given);
    Kind::pull(node, g, d);
    for (int i = 0; i < node.count; ++i)
      if (wanted[i] && given[i]) add_to(slot(node.parents[i]), values[i]);
  }

  void add_to(Slot& s, const T& value) {
    if ((s.state & kReached) == 0) {
      s.adjoint = value;
      s.state |= kReached;
      return;
    }
    bool owned = (s.state & kOwned) != 0;
    s.adjoint = Kind::accumulate(s.adjoint, value, owned);
    if (owned) s.state |= kOwned;
  }

  // A gather from a row table leaves its rows as they are.
  bool collect_rows(const N& node, const T& g) {
    if constexpr (is_array<T>) {
      bool reads_table = false;
      for (int i = 0; i < node.count; ++i)
        reads_table = reads_table || (node.parents[i] != nullptr && node.parents[i]->index >= first_->index &&
                                      (slot(node.parents[i]).state & kRows) != 0);
      if (!reads_table) return false;
      require(is_gather(node), "gradient: a row table may only be read by gather, not by ", node.rule->name);
      Slot& s = slot(node.parents[0]);
      auto* entry = last_->tape->arena().template take<RowGradient<R, B>>(1);
      *entry = {static_cast<const op::Gather::Attr*>(node.attr)->bags, g, *s.rows};
      *s.rows = entry;
      return true;
    } else {
      return false;
    }
  }
  // A gather from a dense table that has a gradient already adds its rows to that, without a table of zeros in between:
  // a table that is also multiplied with, like that of a tied output, may be most of a model.
  bool add_rows(const N& node, const T& g) {
    if constexpr (is_array<T> && !has_own_memory<typename B::Context>) {
      if (!is_gather(node) || node.parents[0] == nullptr || node.parents[0]->index < first_->index) return false;
      Slot& s = slot(node.parents[0]);
      if ((s.state & kActive) == 0 || (s.state & kReached) == 0) return false;
      auto& context = *s.adjoint.context;
      if ((s.state & kOwned) == 0) {
        const T own = T::make(context, s.adjoint.shape);
        B::copy(context, own.size(), s.adjoint.data, own.data);
        s.adjoint = own;
        s.state |= kOwned;
      }
      const auto& attr = *static_cast<const op::Gather::Attr*>(node.attr);
      B::scatter_add(context, attr.bags, g.data, g.shape.last(), s.adjoint.data);
      return true;
    } else {
      return false;
    }
  }
  static bool is_gather(const N& node) { return node.rule->gathers_rows; }

  N* first_;
  N* last_;
  std::int32_t count_;
  Slot* slots_;
};

template <class R, class B>
void check_alive(const Var<R, B>& v, const Tape<R, B>* tape) {
  if (v.node == nullptr) return;
  require(v.tape == tape, "gradient: the loss and a variable live on two tapes");
  require(v.node->stamp == v.stamp && v.node->index < tape->size(),
          "gradient: a value was recorded before its tape was rewound");
}

template <class R, class B>
Array<R, B> filled_like(const Var<R, B>& like, R value) {
  auto& context = like.tape->context();
  auto out = Array<R, B>::make(context, like.shape);
  B::fill(context, out.size(), value, out.data);
  return out;
}
template <class T, class R, class B>
T zeros_for(const Var<R, B>& like) {
  if constexpr (is_array<T>)
    return filled_like(like, R(0));
  else
    return like.tape->constant(filled_like(like, R(0)));
}

template <class R, class B>
Array<R, B> one_for(const Var<R, B>& loss) {
  require(loss.size() == 1, "gradient: the loss has shape ", loss.shape,
          ", not one element; take its sum or mean first");
  return filled_like(loss, R(1));
}

}  // namespace detail

// Where a sweep puts its results: variable i gets out[i], or, when lists[i] is set, only its touched rows.
template <class T, class R, class B>
struct SweepTargets {
  const Var<R, B>* wanted;
  int count;
  T* out;
  RowGradient<R, B>*** lists = nullptr;  // null, or one entry a variable, null for a dense one
};

// Sweeps back from `from` (any shape) with the adjoint `seed`.
template <class T, class R, class B>
void pull_back(const Var<R, B>& from, const T& seed, const SweepTargets<T, R, B>& targets) {
  using Kind = std::conditional_t<is_array<T>, detail::PlainSweep<R, B>, detail::RecordedSweep<R, B>>;
  detail::check_alive(from, from.tape);
  for (int i = 0; i < targets.count; ++i) detail::check_alive(targets.wanted[i], from.tape);
  const auto inside = [&](const Var<R, B>& v) {
    return v.node != nullptr && from.node != nullptr && v.node->index <= from.node->index;
  };
  Node<R, B>* first = nullptr;
  for (int i = 0; i < targets.count; ++i)
    if (inside(targets.wanted[i]) && (first == nullptr || targets.wanted[i].node->index < first->index))
      first = targets.wanted[i].node;
  const auto is_rows = [&](int i) { return targets.lists != nullptr && targets.lists[i] != nullptr; };
  if (first == nullptr) {
    for (int i = 0; i < targets.count; ++i)
      if (!is_rows(i)) targets.out[i] = detail::zeros_for<T>(targets.wanted[i]);
    return;
  }
  detail::Sweep<R, B, Kind> sweep(first, from.node);
  for (int i = 0; i < targets.count; ++i)
    if (inside(targets.wanted[i])) {
      if (is_rows(i))
        sweep.want_rows(targets.wanted[i].node, targets.lists[i]);
      else
        sweep.want(targets.wanted[i].node);
    }
  sweep.run(seed);
  for (int i = 0; i < targets.count; ++i) {
    if (is_rows(i)) continue;
    const bool reached = inside(targets.wanted[i]) && sweep.reached(targets.wanted[i].node);
    targets.out[i] = reached ? sweep.adjoint(targets.wanted[i].node) : detail::zeros_for<T>(targets.wanted[i]);
  }
}

// The gradient of a one-element loss with respect to one variable.
template <class R, class B>
Array<R, B> gradient(const Var<R, B>& loss, const Var<R, B>& variable) {
  Array<R, B> out;
  pull_back<Array<R, B>, R, B>(loss, detail::one_for(loss), {&variable, 1, &out});
  return out;
}
template <class R, class B>
Var<R, B> gradient(const Var<R, B>& loss, const Var<R, B>& variable, Differentiable) {
  Var<R, B> out;
  pull_back<Var<R, B>, R, B>(loss, loss.tape->constant(detail::one_for(loss)), {&variable, 1, &out});
  return out;
}

namespace detail {

// The model's tensors in a row, the sweep, and the results back into a model of T.
template <class T, class M, class R, class B>
auto model_gradient(const Var<R, B>& loss, const M& model, const T& seed) {
  Arena& arena = loss.tape->arena();
  const int count = tensor_count(model);
  auto* wanted = arena.template take<Var<R, B>>(count);
  auto* out = arena.template take<T>(count);
  int i = 0;
  for_each_unnamed([&](const Var<R, B>& v) { wanted[i++] = v; }, model);
  pull_back<T, R, B>(loss, seed, {wanted, count, out});
  i = 0;
  return map_unnamed<T>(model, [&](const Var<R, B>&) { return out[i++]; });
}

}  // namespace detail

// The gradient of a one-element loss with respect to every tensor of a model of Vars: the same model of Arrays, or,
// with `differentiable`, of Vars on the same tape.
template <class R, class B, class M>
requires(!is_value<M>) auto gradient(const Var<R, B>& loss, const M& model) {
  return detail::model_gradient<Array<R, B>>(loss, model, detail::one_for(loss));
}
template <class R, class B, class M>
requires(!is_value<M>) auto gradient(const Var<R, B>& loss, const M& model, Differentiable) {
  return detail::model_gradient<Var<R, B>>(loss, model, loss.tape->constant(detail::one_for(loss)));
}

namespace op {

// y = x as a node of its own, so that a sweep can end there.
struct Identity {
  static constexpr const char* name = "identity";
  struct Attr {};
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    return in[0].shape;
  }
  template <class A>
  static A forward(const Attr&, const A* in, int, bool) {
    return in[0];
  }
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T*, int, Adjoints<T>& d) {
    d.give(0, g);
  }
};

}  // namespace op

template <class R, class B>
template <class Op>
void Engine<Var<R, B>>::pull_through(const typename Op::Attr& attr, const V& g, const V* in, int n, Adjoints<V>& d) {
  Arena& arena = g.tape->arena();
  V* inner = arena.template take<V>(n);
  V* wanted = arena.template take<V>(n);
  V* out = arena.template take<V>(n);
  int* position = arena.template take<int>(n);
  int count = 0;
  for (int i = 0; i < n; ++i) {
    inner[i] = in[i];
    if (!d.wants(i)) continue;
    inner[i] = apply<op::Identity>({}, in + i, 1);
    position[count] = i;
    wanted[count++] = inner[i];
  }
  const V again = Op::template compose<V>(attr, inner, n);
  pull_back<V, R, B>(again, g, {wanted, count, out});
  for (int k = 0; k < count; ++k) d.give(position[k], out[k]);
}

}  // namespace thaw::inline v0
