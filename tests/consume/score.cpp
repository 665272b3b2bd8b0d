// A stranger's program that scores: 1 + 4 + 9 + 16 = 30, in a fixed buffer.
#include <cstdio>
#include <thaw/infer.hpp>

namespace {

alignas(64) unsigned char buffer[4096];

}  // namespace

int main() {
  thaw::Arena arena(buffer, sizeof buffer);
  thaw::Cpu::Context context{&arena};
  const float weights[] = {1, 2, 3, 4};
  const auto x = thaw::Array<float>::view(context, weights, {4});
  const float total = thaw::sum(thaw::square(x)).item();
  std::printf("%g\n", static_cast<double>(total));
  return total == 30.0F ? 0 : 1;
}
