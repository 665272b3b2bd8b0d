// A stranger's program that learns: everything that training offers compiles, and the same sum comes out.
#include <cstdio>
#include <thaw/train.hpp>
#include <vector>

int main() {
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  const std::vector<double> ratings{1, 2, 3, 4};
  const auto x = thaw::Array<double>::view(context, ratings.data(), {4});
  const double total = thaw::sum(thaw::square(x)).item();
  std::printf("%g\n", total);
  return total == 30.0 ? 0 : 1;
}
