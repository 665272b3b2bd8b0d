// MeLU (Lee et al., KDD 2019) turned to items: a task is an item, its support set K impressions, its query set K
// others; the deep layers move by gradient descent on the support set, and what all items share is learnt through that
// step.
//
//   mwuf::ItemMelu method(*base, world, {});
//   method.learn();
//   method.observe(slice);                    // an item's support set grows
//   method.score(batch, logits);              // each item with deep layers of its own
//
// It has tables of its own and no vector of the item's id: only the deep layers know the item. Second order throughout.
#pragma once

#include "mwuf/metaemb.hpp"
#include "thaw/meta/inner_loop.hpp"

namespace mwuf {

template <Value T>
struct ItemMeluNetwork {
  thaw::FieldTable<T> fields;
  thaw::Mlp<T> deep;  // the local part

  // (rows, fields * width)
  T read(const ClickBatch<>& batch) const { return fields(fields.bags(batch.field, batch.rows)); }
  static void each(auto&& visit, auto&... m) { visit("fields", m.fields...), visit("deep", m.deep...); }
};

struct ItemMeluOptions {
  Index width = 16;
  Index hidden = 64;
  Index shots = 20;    // impressions of a support and of a query set
  Index tasks = 8;     // of a batch
  int epochs = 6;      // passes over the old items
  double rate = 2e-3;  // of Adam
  double inner_rate = 0.1;
  int inner_steps = 1;
  int pretrain_epochs = 1;  // of plain training before, over all old impressions
};

class ItemMelu final : public WarmUp {
 public:
  ItemMelu(ClickBase& base, const ClickWorld& world, const ItemMeluOptions& options)
      : WarmUp(base, world), options_(options), network_(spec(world.task->plan, options), world.seed + 11, 1) {
    loop_.steps = options.inner_steps;
    loop_.rate = options.inner_rate;
  }

  void learn() override {
    std::vector<std::int32_t> rows(world_.old_rows().begin(), world_.old_rows().end());
    for (int e = 0; e < options_.pretrain_epochs; ++e) {
      shuffle(rows, world_.seed, 300 + static_cast<std::uint64_t>(e));
      each_batch(rows, 256, [&](Rows part) { learn_plain(batches_.fill(part)); });
    }
    ItemTasks tasks(world_);
    thaw::Philox rng(world_.seed, 61);
    std::vector<std::int32_t> order(static_cast<std::size_t>(tasks.count()));
    std::iota(order.begin(), order.end(), 0);
    for (int e = 0; e < options_.epochs; ++e) {
      shuffle(order, world_.seed, 400 + static_cast<std::uint64_t>(e));
      each_batch(order, options_.tasks, [&](Rows part) { learn_tasks(tasks, part, rng); });
    }
  }
  void arrive() override { support_.clear(); }
  // Fine-tuning is the inner loop: its steps are the epochs, and its rate comes from there too.
  void observe(Rows rows) override {
    support_.resize(static_cast<std::size_t>(base_.items()));
    for (const std::int32_t r : rows) support_[static_cast<std::size_t>(world_.item_of(r))].push_back(r);
  }
  void fit(Rows, const FineTuning& tuning) override {
    loop_.steps = tuning.epochs;
    loop_.rate = tuning.rate;
  }
  void score(const ClickBatch<>& batch, float* logits) override {
    std::vector<std::int32_t> order(static_cast<std::size_t>(batch.rows));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int32_t a, std::int32_t b) { return batch.item[a] < batch.item[b]; });
    network_.frozen([&](const auto& net, FloatTape& tape) {
      const FloatVar x = net.read(batch);
      for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
        const std::int32_t item = batch.item[order[begin]];
        while (end < order.size() && batch.item[order[end]] == item) ++end;
        score_item(net, tape, x, item, Rows(order).subspan(begin, end - begin), logits);
      }
    });
  }

 private:
  static ItemMeluNetwork<Spec> spec(const FieldPlan& plan, const ItemMeluOptions& options) {
    thaw::FieldLayout layout;
    for (int f = 0; f < plan.count; ++f) layout.add(plan.fields[f].kind, plan.fields[f].values);
    return {thaw::field_table_spec(layout, options.width, 0.1),
            thaw::mlp_spec({plan.count * options.width, options.hidden, options.hidden, 1}, thaw::Activation::relu)};
  }
  // The mean loss of `count` rows from `begin` on of x.
  template <class X>
  static auto loss_of(const thaw::Mlp<FloatVar>& deep, const X& x, const float* labels, Index begin, Index count) {
    const auto part = thaw::slice(x, 0, begin, count);
    return thaw::bce_with_logits(thaw::reshape(deep(part), {count}),
                                 FloatArray::view(*x.context, labels + begin, {count}));
  }
  void learn_plain(const ClickBatch<>& batch) {
    network_.step(options_.rate, [&](const auto& net, FloatTape&) {
      return loss_of(net.deep, net.read(batch), batch.labels, 0, batch.rows);
    });
  }
  // All tasks' rows in one batch: each task's support set, then its query set.
  void learn_tasks(ItemTasks& tasks, Rows part, thaw::Philox& rng) {
    drawn_.clear();
    Index count = 0;
    for (const std::int32_t task : part) count += tasks.draw(task, 2 * options_.shots, rng, drawn_) ? 1 : 0;
    if (count == 0) return;
    const ClickBatch<>& batch = batches_.fill(drawn_);
    thaw::InnerLoop loop;
    loop.steps = options_.inner_steps;
    loop.rate = options_.inner_rate;
    network_.step(options_.rate, [&](const auto& net, FloatTape& tape) {
      const FloatVar x = net.read(batch);
      FloatVar total = tape.constant(zero(tape.context()));
      for (Index t = 0; t < count; ++t) {
        const Index begin = 2 * options_.shots * t;
        const auto deep = thaw::adapt(
            net.deep, loop, [&](int, const auto& now) { return loss_of(now, x, batch.labels, begin, options_.shots); });
        total = thaw::add(total, loss_of(deep, x, batch.labels, begin + options_.shots, options_.shots));
      }
      return thaw::scale(total, 1.0 / static_cast<double>(count));
    });
  }
  template <class Net>
  void score_item(const Net& net, FloatTape& tape, const FloatVar& x, std::int32_t item, Rows rows, float* logits) {
    thaw::Scope scope(tape);
    const auto ids = thaw::Bags{rows.data(), nullptr, static_cast<Index>(rows.size()), false};
    const FloatArray asked = thaw::gather(x.array(), ids);
    const auto deep = adapted(net, tape, item);
    const FloatVar z = deep(tape.constant(asked));
    for (std::size_t i = 0; i < rows.size(); ++i) logits[rows[i]] = z[static_cast<Index>(i)];
  }
  // The deep layers after the inner loop on what was seen of the item.
  template <class Net>
  thaw::Mlp<FloatVar> adapted(const Net& net, FloatTape& tape, std::int32_t item) {
    if (item < 0 || static_cast<std::size_t>(item) >= support_.size() ||
        support_[static_cast<std::size_t>(item)].empty())
      return net.deep;
    const ClickBatch<>& seen = support_batches_.fill(support_[static_cast<std::size_t>(item)]);
    const FloatVar x = net.read(seen);
    thaw::InnerLoop loop = loop_;
    loop.order = thaw::MetaOrder::first_order;  // no outer gradient is taken here
    const auto start = thaw::map_unnamed<FloatVar>(net.deep, [&](const FloatVar& v) { return tape.leaf(v.array()); });
    return thaw::adapt(start, loop, [&](int, const auto& now) { return loss_of(now, x, seen.labels, 0, seen.rows); });
  }
  static FloatArray zero(Backend::Context& context) {
    const FloatArray out = FloatArray::make(context, {});
    out[0] = 0;
    return out;
  }

  ItemMeluOptions options_;
  thaw::InnerLoop loop_;
  TrainedNetwork<ItemMeluNetwork<Spec>> network_;
  Batches support_batches_{*world_.task, kMostRows};
  std::vector<std::vector<std::int32_t>> support_;
  std::vector<std::int32_t> drawn_;
};

}  // namespace mwuf
