#include <cstdio>
#include <thaw/train.hpp>

template <thaw::Value T>
struct Tower {  // stars = mlp(user * item)
  thaw::Embedding<T> users, items;
  thaw::Mlp<T> score;
  T operator()(const thaw::Bags& u, const thaw::Bags& i) const { return score(thaw::mul(users(u), items(i))); }
  static void each(auto&& visit, auto&... m) {
    visit("users", m.users...), visit("items", m.items...), visit("score", m.score...);
  }
};

int main() {
  const std::int32_t users[] = {0, 0, 1, 1, 2, 2}, items[] = {0, 1, 0, 2, 1, 2};
  const float stars[] = {5, 1, 4, 2, 1, 5};
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  const Tower<thaw::Spec> plan{thaw::embedding_spec(3, 8), thaw::embedding_spec(3, 8),
                               thaw::mlp_spec({8, 16, 1}, thaw::Activation::relu)};
  thaw::Parameters<Tower<thaw::Spec>> weights(plan, context, /*seed*/ 7);
  thaw::Adam<float> optimiser(weights);
  thaw::Tape<float> tape(context);
  const auto target = thaw::Array<float>::view(context, stars, {6, 1});
  for (int step = 0; step < 300; ++step) {
    thaw::Scope scope(tape);
    const auto predicted = weights.on(tape)({users, nullptr, 6}, {items, nullptr, 6});
    optimiser.step(weights, weights.gradient(thaw::mse(predicted, target)), /*rate*/ 0.01);
  }
  const auto scores = weights.values()({users, nullptr, 6}, {items, nullptr, 6});
  for (int i = 0; i < 6; ++i) std::printf("user %d, item %d: %.1f stars\n", users[i], items[i], double{scores[i]});
  return thaw::save_model("tower.safetensors", weights.values()).ok() ? 0 : 1;
}
