// CVAR, MeLU with item tasks and DropoutNet: gradients against differences, closed forms, what each may read.
#include "mwuf/cvar.hpp"
#include "mwuf/dropoutnet.hpp"
#include "mwuf/item_melu.hpp"
#include "tests/examples/mwuf_tiny.hpp"
#include "tests/examples/mwuf_world.hpp"
#include "thaw/autodiff/check.hpp"

using namespace mwuf_test;

namespace {

// `net` with its tensors recorded, or not, like `like`, and the i-th of them replaced.
template <class T, class M, class X>
auto with_tensor(const M& net, const T& like, int which, const X& tensor) {
  int at = 0;
  return thaw::map_unnamed<T>(
      net, [&](const A& a) { return at++ == which ? thaw::lift_to<T>(tensor, like) : thaw::lift(a, like); });
}

}  // namespace

TEST_CASE("CVAR: gradients of all its tensors against differences") {
  Host host;
  const auto net = random_model(host, mwuf::cvar_spec(tiny_plan(), 4, {.side_width = 3}));
  const Batch batch = tiny_batch();
  const mwuf::CvarInput<A> in{host.normal({3, 4}), host.normal({3, 1}), host.normal({3, 8})};
  int count = 0;
  thaw::for_each_unnamed([&](const A&) { ++count; }, net);
  CHECK(count == 8);
  int which = 0;
  thaw::for_each_unnamed(
      [&](const A& tensor) {
        const int now = which++;
        const auto result = thaw::check_gradient(
            [&](const auto& x) {
              using T = std::decay_t<decltype(x)>;
              const auto out = with_tensor<T>(net, x, now, x)(batch, in);
              return thaw::add(thaw::add(thaw::sum(thaw::square(out.warm)), thaw::sum(thaw::square(out.restored))),
                               out.distance);
            },
            {tensor}, {.order = 1});
        INFO(now);
        CHECK(result.comparisons > 0);
        CHECK(result.error_at(1) < 1e-6);
      },
      net);
}

TEST_CASE("CVAR: the distance between equal distributions is zero, and the warm vector ignores the id") {
  Host host;
  auto net = random_model(host, mwuf::cvar_spec(tiny_plan(), 4, {.side_width = 3}));
  const Batch batch = tiny_batch();
  const mwuf::CvarInput<A> in{host.normal({3, 4}), host.normal({3, 1}), host.zeros({3, 8})};
  const mwuf::CvarInput<A> other{host.normal({3, 4}), in.frequency, in.noise};
  const auto a = net(batch, in), b = net(batch, other);
  CHECK(difference(a.warm, b.warm) == 0);
  CHECK(difference(a.restored, b.restored) > 1e-3);
  CHECK(a.distance.item() > 1e-3);
  // Both without slopes and with one bias: N(b, exp(b')) twice.
  for (double& x : net.encoder.weight) x = 0;
  for (double& x : net.prior.weight) x = 0;
  for (Index i = 0; i < 8; ++i) net.prior.bias[i] = net.encoder.bias[i];
  const auto same = net(batch, in);
  CHECK(same.distance.item() == 0);
  CHECK(difference(same.warm, same.restored) == 0);
}

TEST_CASE("MeLU with item tasks: an inner loop of one step is one step of gradient descent on the item's impressions") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world);
  mwuf::ItemMeluOptions options;
  options.epochs = 1;
  options.shots = 5;
  const auto scores_after = [&](int steps, double rate) {
    mwuf::ItemMelu method(*base, world, options);
    method.learn();
    method.arrive();
    method.observe(task.split.slices[0]);
    method.fit(task.split.slices[0], {.epochs = steps, .rate = rate});
    return scores_of(method, task, task.split.slices[1]);
  };
  const auto none = scores_after(0, 0.1), one = scores_after(1, 0.1), still = scores_after(3, 0.0);
  CHECK(largest_difference(none, still) == 0);
  CHECK(largest_difference(none, one) > 1e-4);
  // One step is linear in the rate to first order: a tenth of the rate moves the logits a tenth as far.
  const auto small = scores_after(1, 1e-3), smaller = scores_after(1, 1e-4);
  for (std::size_t i = 0; i < none.size(); ++i) {
    const double far = static_cast<double>(small[i] - none[i]), near = static_cast<double>(smaller[i] - none[i]);
    CHECK(std::fabs(near - far / 10) < 2e-2 * std::fabs(far) + 2e-6);
  }
}

TEST_CASE("MeLU with item tasks: the impressions of one item do not move the scores of another") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world);
  mwuf::ItemMelu method(*base, world, {.epochs = 1});
  method.learn();
  method.arrive();
  const auto before = scores_of(method, task, task.split.slices[1]);
  std::vector<std::int32_t> of_one;
  for (const std::int32_t r : task.split.slices[0])
    if (world.item_of(r) == kOldItems) of_one.push_back(r);
  method.observe(of_one);
  method.fit(of_one, {.epochs = 2, .rate = 0.1});
  const auto after = scores_of(method, task, task.split.slices[1]);
  double moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (world.item_of(task.split.slices[1][i]) == kOldItems)
      moved = (std::max)(moved, std::fabs(static_cast<double>(after[i] - before[i])));
    else
      CHECK(after[i] == before[i]);
  }
  CHECK(moved > 1e-4);
}

TEST_CASE("DropoutNet: the share that is dropped, and what a dropped impression reads and teaches") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world);
  mwuf::ItemDropper dropper({.share = 0.3}, 1);
  double kept = 0;
  for (int k = 0; k < 50; ++k) {
    const mwuf::ItemDropout drop = dropper.next(*base, world.old_items(), 100);
    for (int i = 0; i < 100; ++i) kept += static_cast<double>(drop.keep[i]);
    for (Index j = 0; j < base->width(); ++j)
      CHECK(drop.substitute[j] == mwuf::mean_vector(*base, world.old_items())[static_cast<std::size_t>(j)]);
  }
  CHECK(std::fabs(kept / 5000 - 0.7) < 0.03);
  CHECK(mwuf::ItemDropper({}, 1).next(*base, world.old_items(), 4).keep == nullptr);
  // All dropped: the item's row gets no gradient and stays; none dropped: it moves.
  // (A base without momentum: Adam moves a row that is read, even with a gradient of zero, on what it remembers.)
  const auto fresh = click_base(world, "wide_deep", false, 0);
  mwuf::Batches batches(task, 1);
  const std::int32_t row = world.old_rows()[0];
  const auto at = static_cast<std::size_t>(world.item_of(row) * fresh->width());
  const float zero = 0, one = 1, before = fresh->item_table()[at];
  const std::vector<float> mean = mwuf::mean_vector(*fresh, world.old_items());
  fresh->train(batches.fill({&row, 1}), 1e-2, {&zero, mean.data()});
  CHECK(fresh->item_table()[at] == before);
  fresh->train(batches.fill({&row, 1}), 1e-2, {&one, mean.data()});
  CHECK(fresh->item_table()[at] != before);
}
