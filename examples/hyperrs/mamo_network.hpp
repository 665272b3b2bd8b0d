// The network and the memories of MAMO: memory-augmented meta-optimisation for cold-start (Dong et al., KDD 2020,
// arXiv 2007.03183).
//
// A user's profile p addresses K memory slots, a = softmax(A cos(p, M_p)). What the slots hold makes her own start:
// theta_u = phi_u - tau sum_k a_k M_u[k] for the tower of users, and M_UI = sum_k a_k M_UI[k] as the layer that mixes
// user and item. A few local steps on her support follow.
//
//   hyperrs::Mamo<thaw::Spec> plan = hyperrs::mamo_plan(sizes);
//   auto attention = hyperrs::address(model, profile, memory);             // (1, slots)
//   auto local = hyperrs::personal_start(model, attention, memory, tau);   // MamoLocal, ordinary values
//   auto logits = local(profile, items);                                   // (items, classes)
//
// Memories are no parameters: write_memory alone changes them, in training. What trains it is in mamo.hpp.
#pragma once

#include "hyperrs/names.hpp"
#include "thaw/nn/linear.hpp"
#include "thaw/nn/losses.hpp"

namespace hyperrs {

constexpr int kMamoFields = 12;

struct MamoSizes {
  Index user_fields[kMamoFields] = {};  // rows of each
  Index item_fields[kMamoFields] = {};
  bool user_several[kMamoFields] = {};  // has several values an entity: the sigmoid of the sum of their rows
  bool item_several[kMamoFields] = {};
  int user_field_count = 0, item_field_count = 0;
  Index width = 100;
  Index classes = 5;
  Index slots = 3;
  double task_start = 1;  // standard deviation of M_UI's first numbers

  Index profile() const { return user_field_count * width; }
};

// max(x, x / 10).
template <Value T>
T leaky_relu(const T& x) {
  return thaw::add(thaw::scale(thaw::relu(x), 0.9), thaw::scale(x, 0.1));
}

// Two layers, LeakyReLU after both.
template <Value T>
struct MamoTower {
  thaw::Linear<T> hidden, out;

  template <Value X>
  auto operator()(const X& x) const {
    return leaky_relu(out(leaky_relu(hidden(x))));
  }
  static void each(auto&& visit, auto&... m) {
    visit("hidden", m.hidden...);
    visit("out", m.out...);
  }
};

// theta: all that the local steps of one user move.
template <Value T>
struct MamoLocal {
  MamoTower<T> user, item;
  thaw::Linear<T> memory, hidden, classes;  // memory.weight is her M_UI, (2 width, 2 width)

  // profile (1, user fields * width), items (n, item fields * width) -> logits (n, classes)
  template <Value X>
  auto operator()(const X& profile, const X& items) const {
    const auto u = user(profile);
    const auto i = item(items);
    return classes(leaky_relu(hidden(memory(thaw::concat({thaw::broadcast_to(u, i.shape), i}, 1)))));
  }
  static void each(auto&& visit, auto&... m) {
    visit("user", m.user...);
    visit("item", m.item...);
    visit("memory", m.memory...);
    visit("hidden", m.hidden...);
    visit("classes", m.classes...);
  }
};

// phi: what the outer steps train.
template <Value T>
struct Mamo {
  Several<thaw::Embedding<T>, kMamoFields> user_fields, item_fields;
  thaw::Linear<T> address;  // A, (slots, slots)
  MamoTower<T> user, item;
  T memory_bias;  // (2 width)
  thaw::Linear<T> hidden, classes;
  MamoSizes sizes;

  T profile(const Bags* bags) const { return side(user_fields, sizes.user_several, bags); }
  T items(const Bags* bags) const { return side(item_fields, sizes.item_several, bags); }

  static void each(auto&& visit, auto&... m) {
    visit("user_fields", m.user_fields...);
    visit("item_fields", m.item_fields...);
    visit("address", m.address...);
    visit("user", m.user...);
    visit("item", m.item...);
    visit("memory_bias", m.memory_bias...);
    visit("hidden", m.hidden...);
    visit("classes", m.classes...);
    visit("sizes", m.sizes...);
  }

 private:
  // (bags, fields * width). An entity without a value has zeros, or sigmoid(0) where several are allowed.
  static T side(const Several<thaw::Embedding<T>, kMamoFields>& fields, const bool* several, const Bags* bags) {
    T parts[kMamoFields];
    for (int f = 0; f < fields.count; ++f) {
      parts[f] = fields[f](bags[f]);
      if (several[f]) parts[f] = thaw::sigmoid(parts[f]);
    }
    return thaw::concat(parts, fields.count, 1);
  }
};

// K slots in a row for each tensor that they are about.
template <Value T>
struct MamoMemory {
  T profiles;         // M_p, (slots, user fields * width)
  MamoTower<T> user;  // M_u, (slots, numbers of the tensor), for each tensor of the user tower
  T task;             // M_UI, (slots, 4 width^2)

  static void each(auto&& visit, auto&... m) {
    visit("profiles", m.profiles...);
    visit("user", m.user...);
    visit("task", m.task...);
  }
};

// a = softmax(A cos(p, M_p)), (1, slots). As published, 1e-5 is added to every square of the norms.
template <Value T, Value M>
T address(const Mamo<T>& model, const T& profile, const MamoMemory<M>& memory) {
  const Index slots = memory.profiles.shape[0], width = memory.profiles.shape[1];
  const double padding = 1e-5 * static_cast<double>(width);
  const M squares = thaw::reshape(thaw::sum_to(thaw::square(memory.profiles), {slots, 1}), {1, slots});
  const M long_as = thaw::sqrt(thaw::shift(squares, padding));
  const T own = thaw::sqrt(thaw::shift(thaw::sum_to(thaw::square(profile), {1, 1}), padding));
  const T products = thaw::matmul(profile, memory.profiles, thaw::Transpose::second);
  return thaw::softmax(model.address(thaw::div(products, thaw::mul(long_as, own))));
}

// theta before the first local step.
template <Value T, Value M>
MamoLocal<T> personal_start(const Mamo<T>& model, const T& attention, const MamoMemory<M>& memory, double tau) {
  MamoLocal<T> local{model.user, model.item, {T{}, model.memory_bias}, model.hidden, model.classes};
  thaw::for_each_unnamed(
      [&](T& to, const M& slots) {
        to = thaw::sub(to, thaw::scale(thaw::reshape(thaw::matmul(attention, slots), to.shape), tau));
      },
      local.user, memory.user);
  const Index mixed = model.memory_bias.shape[0];
  local.memory.weight = thaw::reshape(thaw::matmul(attention, memory.task), {mixed, mixed});
  return local;
}

struct MamoWriteRates {
  double profile = 0.5;    // alpha
  double gradient = 0.05;  // beta
  double task = 0.1;       // gamma
};

// row k = rate a_k fresh + (1 - rate) row k.
template <class A>
void write_slots(const A& slots, const A& attention, const A& fresh, double rate) {
  using R = typename A::Real;
  const Index k = slots.shape[0], width = slots.shape[1];
  thaw::require(fresh.size() == width, "write_slots: ", fresh.shape, " written to slots of shape ", slots.shape);
  for (Index s = 0; s < k; ++s) {
    const R gain = static_cast<R>(rate) * attention[s], keep = static_cast<R>(1 - rate);
    for (Index j = 0; j < width; ++j) slots[s * width + j] = gain * fresh[j] + keep * slots[s * width + j];
  }
}

// After a training user: her profile, the gradient of her user tower and her adapted mixing layer, by her attention.
template <class A>
void write_memory(const MamoMemory<A>& memory, const A& attention, const A& profile, const MamoTower<A>& gradient,
                  const A& mixing, const MamoWriteRates& rates) {
  write_slots(memory.profiles, attention, profile, rates.profile);
  thaw::for_each_unnamed([&](const A& slots, const A& g) { write_slots(slots, attention, g, rates.gradient); },
                         memory.user, gradient);
  write_slots(memory.task, attention, mixing, rates.task);
}

// Hidden biases start at zero, the rest as PyTorch's layers do.
inline MamoTower<Spec> mamo_tower_plan(Index in, Index out) {
  MamoTower<Spec> plan{thaw::linear_spec(in, in / 2), thaw::linear_spec(in / 2, out)};
  plan.hidden.bias.init = {};
  return plan;
}

inline Mamo<Spec> mamo_plan(const MamoSizes& sizes) {
  Mamo<Spec> plan;
  plan.sizes = sizes;
  const auto fields = [&](auto& to, const Index* rows, const bool* several, int count) {
    for (int f = 0; f < count; ++f) {
      auto table = thaw::embedding_spec(rows[f], sizes.width, /*row_table*/ true);
      if (!several[f]) table.table.init = {thaw::Init::Kind::normal, 1};
      to.push(table);
    }
  };
  fields(plan.user_fields, sizes.user_fields, sizes.user_several, sizes.user_field_count);
  fields(plan.item_fields, sizes.item_fields, sizes.item_several, sizes.item_field_count);
  plan.address = thaw::linear_spec(sizes.slots, sizes.slots);
  plan.user = mamo_tower_plan(sizes.profile(), sizes.width);
  plan.item = mamo_tower_plan(sizes.item_field_count * sizes.width, sizes.width);
  plan.memory_bias = thaw::linear_spec(2 * sizes.width, 2 * sizes.width).bias;
  plan.hidden = thaw::linear_spec(2 * sizes.width, sizes.width);
  plan.classes = thaw::linear_spec(sizes.width, sizes.classes);
  return plan;
}

// What memories start with: standard normals, 0.05 of them for the tower; each slot its own.
inline MamoMemory<Spec> mamo_memory_plan(const MamoSizes& sizes) {
  const auto slots = [&](Index numbers, double spread) {
    return Spec{{sizes.slots, numbers}, {thaw::Init::Kind::normal, spread}};
  };
  MamoMemory<Spec> plan;
  plan.profiles = slots(sizes.profile(), 1);
  plan.user = mamo_tower_plan(sizes.profile(), sizes.width);
  thaw::for_each_unnamed([&](Spec& tensor) { tensor = slots(tensor.size(), 0.05); }, plan.user);
  plan.task = slots(4 * sizes.width * sizes.width, sizes.task_start);
  return plan;
}

}  // namespace hyperrs
