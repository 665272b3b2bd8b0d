// The network, the memories and the local steps of MAMO against an independent program, closed forms and differences.
#include <doctest/doctest.h>

#include <cmath>

#include "hyperrs/mamo_local.hpp"
#include "hyperrs_rivals.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/optim/parameters.hpp"

namespace {

using thaw::Bags;
using thaw::Index;
using A = thaw::Array<double>;
using V = thaw::Var<double>;
using rivals::norm;

constexpr double kTau = 0.3;

hyperrs::MamoSizes tiny() {
  hyperrs::MamoSizes sizes;
  sizes.user_fields[0] = 3;
  sizes.user_fields[1] = 4;
  sizes.user_several[1] = true;
  sizes.user_field_count = 2;
  sizes.item_fields[0] = 5;
  sizes.item_field_count = 1;
  sizes.width = 2;
  sizes.classes = 3;
  sizes.slots = 2;
  return sizes;
}

struct Fixture {
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  thaw::Parameters<hyperrs::Mamo<thaw::Spec>, double> parameters;
  thaw::Parameters<hyperrs::MamoMemory<thaw::Spec>, double> memory;
  thaw::Tape<double> tape{context};
  // The user has value 1 of the first field, values 0 and 2 of the second.
  std::int32_t first[1] = {1}, second[2] = {0, 2}, second_begin[2] = {0, 2};
  std::int32_t seen[2] = {0, 3}, seen_class[2] = {2, 0}, asked[3] = {1, 4, 0}, asked_class[3] = {1, 2, 2};
  Bags user[2] = {{first, nullptr, 1}, {second, second_begin, 1}};
  Bags support{seen, nullptr, 2}, query{asked, nullptr, 3};

  Fixture()
      : parameters(hyperrs::mamo_plan(tiny()), context, 3), memory(hyperrs::mamo_memory_plan(tiny()), context, 4) {
    fill(parameters, 0);
    fill(memory, 30);
  }
  static void fill(auto& tensors, int base) {
    for (int t = 0; t < tensors.count(); ++t)
      for (Index k = 0; k < tensors.slot(t).value.size(); ++k)
        tensors.slot(t).value[k] = 0.7 * std::sin(2 + 1.7 * (base + t) + 2.1 * static_cast<double>(k)) + 0.15;
  }
  template <class T>
  hyperrs::MamoLocal<T> start(const hyperrs::Mamo<T>& net) {
    return hyperrs::personal_start(net, hyperrs::address(net, net.profile(user), memory.values()), memory.values(),
                                   kTau);
  }
  // The query loss after two plain steps at 0.2.
  V query_loss(const hyperrs::Mamo<V>& net, int passes, bool exact) {
    const auto begin = start(net);
    const V profile = net.profile(user), items = net.items(&support);
    hyperrs::MamoSteps steps{hyperrs::LocalRule::sgd, 0.2, 0, 0, passes};
    hyperrs::MamoLocal<V> local;
    if (exact) {
      local = hyperrs::recorded_steps(begin, profile, items, seen_class, steps);
    } else {
      const auto fast = hyperrs::own_copy<A>(context, begin);
      hyperrs::move_locally(tape, fast, profile.array(), items.array(), seen_class, steps);
      local = hyperrs::moved_to(begin, fast);
    }
    return thaw::cross_entropy(local(profile, net.items(&query)), asked_class);
  }
};

}  // namespace

// Made with PyTorch 1.13 in double by a program that follows the published modules (their cosine, Linear layers,
// leaky_relu with 0.1, weighted sums over the slots; no softmax before the cross-entropy); tensor t in the order of
// the plan holds 0.7 sin(2 + 1.7 t + 2.1 k) + 0.15 at position k, memories count from t = 30; tau 0.3, local rate 0.2.
TEST_CASE("MAMO agrees with an independent program") {
  Fixture f;
  const auto& net = f.parameters.values();
  const A attention = hyperrs::address(net, net.profile(f.user), f.memory.values());
  CHECK(attention[0] == doctest::Approx(0.7632733172563427).epsilon(1e-12));
  CHECK(attention[1] == doctest::Approx(0.23672668274365713).epsilon(1e-12));
  const auto local = f.start(net);
  const A logits = local(net.profile(f.user), net.items(&f.query));
  const double expected[] = {-0.4405677538366165,  1.3579222063412193, -0.25925761627373534,
                             -0.4404122171699125,  1.3575858557478893, -0.2591872115314447,
                             -0.37527824637379537, 1.2216878180643058, -0.24371443500607468};
  for (Index i = 0; i < 9; ++i) CHECK(logits[i] == doctest::Approx(expected[i]).epsilon(1e-12));
  const A support_logits = local(net.profile(f.user), net.items(&f.support));
  CHECK(thaw::cross_entropy(support_logits, f.seen_class).item() == doctest::Approx(1.8917377381166876).epsilon(1e-12));
}

TEST_CASE("one step's meta-gradients, exact and first order, agree with the independent program") {
  Fixture f;
  const double expected[2][6] = {{0.0043054098177172625, 0.0009345284256501525, 0.012709561946830834,
                                  0.001168316217194612, 0.0012402528316977364, 0.04223367440523711},
                                 {0.0024704523991488704, 0.0008939277297283227, 0.012278653807635143,
                                  0.0006356559938026094, 0.004845397724034166, 0.03931574227991359}};
  for (const int exact : {0, 1}) {
    thaw::Scope scope(f.tape);
    const auto net = f.parameters.on(f.tape);
    const V loss = f.query_loss(net, 1, exact == 1);
    CHECK(loss.item() == doctest::Approx(1.2278122282026414).epsilon(1e-12));
    const auto g = thaw::gradient(loss, net);
    const double norms[] = {norm(g.user_fields[0].table), norm(g.user_fields[1].table), norm(g.item_fields[0].table),
                            norm(g.address.weight),       norm(g.user.hidden.weight),   norm(g.memory_bias)};
    for (int i = 0; i < 6; ++i) CHECK(norms[i] == doctest::Approx(expected[exact][i]).epsilon(1e-8));
  }
}

// PyTorch's own Adam and clip_grad_norm_: two passes, one record a step, rate 0.05, norm at most 0.3.
TEST_CASE("local Adam steps agree with the independent program") {
  Fixture f;
  const auto& net = f.parameters.values();
  const auto before = f.start(net);
  const auto fast = hyperrs::own_copy<A>(f.context, before);
  hyperrs::move_locally(f.tape, fast, net.profile(f.user), net.items(&f.support), f.seen_class,
                        {hyperrs::LocalRule::adam, 0.05, 0.3, 1, 2});
  const A logits = fast(net.profile(f.user), net.items(&f.query));
  const double expected[] = {-0.10187951607751779, 0.5762773315049311,  -0.14599358811190222,
                             -0.10064908600567221, 0.5744126153417416,  -0.1450438740434037,
                             -0.03462516036382984, 0.42604931930428896, 0.10556324301616979};
  for (Index i = 0; i < 9; ++i) CHECK(logits[i] == doctest::Approx(expected[i]).epsilon(1e-6));
  // What is shared has not moved.
  const A again = f.start(net)(net.profile(f.user), net.items(&f.query));
  const A first = before(net.profile(f.user), net.items(&f.query));
  for (Index i = 0; i < 9; ++i) CHECK(again[i] == first[i]);
}

TEST_CASE("every exact meta-gradient is the difference quotient of the whole map") {
  Fixture f;
  thaw::Scope scope(f.tape);
  const auto net = f.parameters.on(f.tape);
  const auto gradient = thaw::gradient(f.query_loss(net, 2, true), net);
  const auto loss = [&] {
    thaw::Scope inside(f.tape);
    return f.query_loss(f.parameters.on(f.tape), 2, true).item();
  };
  const rivals::Quotients found = rivals::quotients(f.parameters, gradient, loss);
  CHECK(found.compared == thaw::parameter_count(f.parameters.values()));
  CHECK(found.largest > 0.1);
  CHECK(found.worst < 1e-8);
}

TEST_CASE("plain steps in place are the recorded ones") {
  Fixture f;
  for (const int passes : {0, 1, 4}) {
    thaw::Scope scope(f.tape);
    const auto net = f.parameters.on(f.tape);
    CHECK(f.query_loss(net, passes, true).item() == doctest::Approx(f.query_loss(net, passes, false).item()));
  }
}

TEST_CASE("writes are the closed form, and repeated writes forget the start") {
  Fixture f;
  const auto& memory = f.memory.values();
  const auto& net = f.parameters.values();
  const A attention = hyperrs::address(net, net.profile(f.user), memory);
  const A profile = net.profile(f.user);
  const auto local = f.start(net);
  const auto before = hyperrs::MamoMemory<A>(thaw::map_unnamed<A>(memory, [&](const A& a) {
    const A copy = A::make(f.context, a.shape);
    for (Index i = 0; i < a.size(); ++i) copy[i] = a[i];
    return copy;
  }));
  hyperrs::write_memory(memory, attention, profile, net.user, local.memory.weight, {0.5, 0.05, 0.1});
  double worst = 0;
  const auto compare = [&](const A& now, const A& then, const A& fresh, double rate) {
    for (Index k = 0; k < 2; ++k)
      for (Index j = 0; j < fresh.size(); ++j) {
        const double expected = rate * attention[k] * fresh[j] + (1 - rate) * then[k * fresh.size() + j];
        worst = (std::max)(worst, std::abs(now[k * fresh.size() + j] - expected));
      }
  };
  compare(memory.profiles, before.profiles, profile, 0.5);
  compare(memory.user.hidden.weight, before.user.hidden.weight, net.user.hidden.weight, 0.05);
  compare(memory.user.out.bias, before.user.out.bias, net.user.out.bias, 0.05);
  compare(memory.task, before.task, local.memory.weight, 0.1);
  CHECK(worst < 1e-15);
  CHECK(std::abs(memory.profiles[0] - before.profiles[0]) > 1e-3);
  // n writes of x leave (1 - (1 - r)^n) a x + (1 - r)^n of the start.
  const A slots = A::make(f.context, {2, 1}), x = A::make(f.context, {1});
  slots[0] = 5, slots[1] = -3, x[0] = 2;
  for (int n = 0; n < 7; ++n) hyperrs::write_slots(slots, attention, x, 0.25);
  const double left = std::pow(0.75, 7);
  CHECK(slots[0] == doctest::Approx((1 - left) * attention[0] * 2 + left * 5));
  CHECK(slots[1] == doctest::Approx((1 - left) * attention[1] * 2 - left * 3));
}

TEST_CASE("reading mixes the slots by attention: equal slots give their content, tau = 0 gives phi") {
  Fixture f;
  const auto& net = f.parameters.values();
  const auto& memory = f.memory.values();
  const Index half = memory.task.size() / 2;
  for (Index i = 0; i < half; ++i) memory.task[half + i] = memory.task[i];
  const A attention = hyperrs::address(net, net.profile(f.user), memory);
  CHECK(attention[0] + attention[1] == doctest::Approx(1));
  const auto local = hyperrs::personal_start(net, attention, memory, 0);
  for (Index i = 0; i < half; ++i) CHECK(local.memory.weight[i] == doctest::Approx(memory.task[i]));
  for (Index i = 0; i < net.user.out.weight.size(); ++i) CHECK(local.user.out.weight[i] == net.user.out.weight[i]);
}

TEST_CASE("parameters by formula at the published sizes") {
  hyperrs::MamoSizes sizes;
  const Index user[] = {2, 7, 21}, item[] = {6, 81, 25, 2186};
  for (const Index rows : user) sizes.user_fields[sizes.user_field_count++] = rows;
  for (const Index rows : item) sizes.item_fields[sizes.item_field_count++] = rows;
  const auto linear = [](Index in, Index out) { return in * out + out; };
  const Index tables = 100 * (2 + 7 + 21 + 6 + 81 + 25 + 2186);
  const Index towers = linear(300, 150) + linear(150, 100) + linear(400, 200) + linear(200, 100);
  const Index rest = linear(3, 3) + 200 + linear(200, 100) + linear(100, 5);
  CHECK(thaw::parameter_count(hyperrs::mamo_plan(sizes)) == tables + towers + rest);
  const Index tower = linear(300, 150) + linear(150, 100);
  CHECK(thaw::parameter_count(hyperrs::mamo_memory_plan(sizes)) == 3 * (300 + tower + 200 * 200));
}
