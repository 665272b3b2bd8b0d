// A stranger's program that learns: fits a line, saves the model, and binds what it saved.
#include <cstdio>
#include <thaw/train.hpp>

namespace {

constexpr const char* kFile = "learn.safetensors";

// y = 2 x - 1, by gradient descent from a random start.
double fit(thaw::Parameters<thaw::Linear<thaw::Spec>>& parameters, thaw::Cpu::Context& context) {
  const float inputs[] = {-1, 0, 1, 2}, outputs[] = {-3, -1, 1, 3};
  const auto x = thaw::Array<float>::view(context, inputs, {4, 1}),
             y = thaw::Array<float>::view(context, outputs, {4, 1});
  thaw::Sgd<float> optimiser(parameters);
  thaw::Tape<float> tape(context);
  double last = 0;
  for (int step = 0; step < 500; ++step) {
    thaw::Scope scope(tape);
    const auto loss = thaw::mse(parameters.on(tape)(x), y);
    optimiser.step(parameters, parameters.gradient(loss), 0.1);
    last = double{loss.item()};
  }
  return last;
}

}  // namespace

int main() {
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  const auto plan = thaw::linear_spec(1, 1);
  thaw::Parameters<thaw::Linear<thaw::Spec>> parameters(plan, context, 7);
  const double loss = fit(parameters, context);
  if (!thaw::save_model(kFile, parameters.values()).ok()) return 1;
  const auto file = thaw::SafetensorsFile::open(kFile);
  if (!file) return 1;
  const auto model = thaw::bind_model(plan, file.value().view(), context);
  if (!model) return 1;
  const double weight = double{model.value().weight.item()}, bias = double{model.value().bias.item()};
  std::printf("loss %g, y = %g x + %g\n", loss, weight, bias);
  return loss < 1e-9 && weight > 1.999 && weight < 2.001 && bias > -1.001 && bias < -0.999 ? 0 : 1;
}
