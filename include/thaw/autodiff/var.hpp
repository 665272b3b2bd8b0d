// Var and Tape: values that remember how they were made.
//
//   thaw::GrowingArena arena;
//   thaw::Cpu::Context context{&arena};
//   thaw::Tape<float> tape(context);
//   for (...) {
//     thaw::Scope scope(tape);                       // at its end the tape rewinds; nothing is freed
//     auto w = tape.leaf(weights);                   // a variable
//     auto loss = thaw::sum(thaw::square(w));
//     auto g = thaw::gradient(loss, w);              // autodiff/gradient.hpp
//   }
//
// A tape is nodes in the arena of its context: plain data, linked in the order they were made. No closures, no virtual
// functions, no global. One tape a thread.
#pragma once

#include "thaw/ops/apply.hpp"

namespace thaw::inline v0 {

template <class R, class B>
class Tape;
template <class R, class B>
struct Var;

// One recorded application. `in` and `parents` have `count` entries; a constant input has no parent.
template <class R, class B>
struct Node {
  using A = Array<R, B>;
  using V = Var<R, B>;
  struct Rule {
    const char* name;
    void (*plain)(const Node&, const A& g, Adjoints<A>& d);
    void (*recorded)(const Node&, const V& out, const V& g, const V* in, Adjoints<V>& d);
    bool gathers_rows;  // its gradient can be left as rows of a table
  };

  const Rule* rule;  // null for a leaf
  Node* previous;
  Node* next;
  A out;
  const A* in;
  Node* const* parents;
  const void* attr;
  Tape<R, B>* tape;
  std::int32_t index;
  std::int32_t count;
  std::uint32_t stamp;  // the tape's when it was made
};

// A recorded value; a constant when `node` is null.
template <class R, class B = Cpu>
struct Var : Array<R, B> {
  using Plain = Array<R, B>;
  Node<R, B>* node = nullptr;
  Tape<R, B>* tape = nullptr;
  std::uint32_t stamp = 0;  // the tape's when it was made, to find uses after a rewind

  const Plain& array() const { return *this; }
};

template <class R, class B>
inline constexpr bool is_recorded<Var<R, B>> = true;

template <class R, class B>
Var<R, B> lift(const Array<R, B>& value, const Var<R, B>& like) {
  return {value, nullptr, like.tape, like.stamp};
}

template <class R, class B = Cpu>
class Tape {
 public:
  using A = Array<R, B>;
  using V = Var<R, B>;
  using N = Node<R, B>;
  using Context = typename B::Context;
  static_assert(std::is_trivially_destructible_v<N> && std::is_trivially_copyable_v<A>);

  explicit Tape(Context& context) : context_(&context) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // A variable: something a gradient can be taken with respect to.
  V leaf(const A& value) {
    A held = value;
    held.context = context_;
    N* node = push();
    *node = N{nullptr, last_, nullptr, held, nullptr, nullptr, nullptr, this, next_index_, 0, stamp_};
    link(node);
    return {held, node, this, stamp_};
  }
  // A value that is recorded as constant.
  V constant(const A& value) {
    A held = value;
    held.context = context_;
    return {held, nullptr, this, stamp_};
  }
  Context& context() { return *context_; }
  Arena& arena() { return *context_->arena; }
  std::int32_t size() const { return next_index_; }
  std::uint32_t stamp() const { return stamp_; }

  struct Mark {
    ContextMark<Context> context;
    N* last;
    std::int32_t index;
  };
  Mark mark() { return {ContextMark<Context>(*context_), last_, next_index_}; }
  void rewind(const Mark& mark) {
    // A value that outlives its node must not find it intact.
    for (N* node = last_; node != mark.last; node = node->previous) node->stamp = kDead;
    mark.context.rewind(*context_);
    last_ = mark.last;
    next_index_ = mark.index;
    if (last_ != nullptr) last_->next = nullptr;
    stamp_ += kStampStep;
  }

  // The seam: runs Op on plain arrays and records it when an input is recorded.
  template <class Op>
  V record(typename Op::Attr attr, const V* in, int n) {
    for (int i = 0; i < n; ++i) check_owner(in[i], Op::name);
    A* plain = arena().template take<A>(n);
    N** parents = arena().template take<N*>(n);
    bool depends = false;
    for (int i = 0; i < n; ++i) {
      plain[i] = in[i].array();
      if (plain[i].context == nullptr) plain[i].context = context_;
      parents[i] = in[i].node;
      depends = depends || in[i].node != nullptr;
    }
    const A out = Op::forward(attr, plain, n, depends);
    if (!depends) return {out, nullptr, this, stamp_};
    static_assert(std::is_trivially_destructible_v<typename Op::Attr>);
    auto* kept = arena().template take<typename Op::Attr>(1);
    ::new (static_cast<void*>(kept)) typename Op::Attr(attr);
    N* node = push();
    *node = N{&rule_of<Op>, last_, nullptr, out, plain, parents, kept, this, next_index_, n, stamp_};
    link(node);
    return {out, node, this, stamp_};
  }

 private:
  template <class Op>
  static void plain_rule(const N& node, const A& g, Adjoints<A>& d) {
    Op::vjp(*static_cast<const typename Op::Attr*>(node.attr), g, node.out, node.in, node.count, d);
  }
  template <class Op>
  static void recorded_rule(const N& node, const V& out, const V& g, const V* in, Adjoints<V>& d) {
    Op::vjp(*static_cast<const typename Op::Attr*>(node.attr), g, out, in, node.count, d);
  }
  template <class Op>
  static constexpr typename N::Rule rule_of{Op::name, &plain_rule<Op>, &recorded_rule<Op>, requires {Op::gathers_rows;
}
};  // namespace thaw::inline v0

void check_owner(const V& v, const char* name) const {
  require(v.tape == this || v.tape == nullptr, name, ": operands live on two tapes");
  require(v.node == nullptr || (v.node->stamp == v.stamp && v.node->index < next_index_), name,
          ": an operand was recorded before its tape was rewound");
}
static constexpr std::uint32_t kDead = ~std::uint32_t(0);
// Stamps are scattered, because memory that was used again is full of zeros and small numbers.
static constexpr std::uint32_t kStampStep = 0x9E3779B9u;

N* push() { return arena().template take<N>(1); }
void link(N* node) {
  if (last_ != nullptr) last_->next = node;
  last_ = node;
  ++next_index_;
}

Context* context_;
N* last_ = nullptr;
std::int32_t next_index_ = 0;
std::uint32_t stamp_ = kStampStep;
}
;

// Rewinds a tape, and its arena, at the end of a block.
template <class R, class B>
class Scope {
 public:
  explicit Scope(Tape<R, B>& tape) : tape_(tape), mark_(tape.mark()) {}
  ~Scope() { tape_.rewind(mark_); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Tape<R, B>& tape_;
  typename Tape<R, B>::Mark mark_;
};

template <class R, class B>
struct Engine<Var<R, B>> {
  using V = Var<R, B>;

  template <class Op>
  static V apply(const typename Op::Attr& attr, const V* in, int n) {
    return tape_of(in, n, Op::name).template record<Op>(attr, in, n);
  }
  // The gradient of a fused operation, taken through its composition from simpler ones (autodiff/gradient.hpp).
  template <class Op>
  static void pull_through(const typename Op::Attr& attr, const V& g, const V* in, int n, Adjoints<V>& d);

 private:
  static Tape<R, B>& tape_of(const V* in, int n, const char* name) {
    for (int i = 0; i < n; ++i)
      if (in[i].tape != nullptr) return *in[i].tape;
    stop(make_fault(FaultKind::mismatch, name, ": no operand belongs to a tape"));
  }
};

}  // namespace thaw::inline v0
