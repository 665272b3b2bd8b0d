// One program, two instruction sets: arrays made here are used there and the other way round.
#include <cstdio>

#include "exchange.hpp"

namespace {

alignas(64) unsigned char buffer[8192];

}  // namespace

int main() {
  if (!(kLayoutHere == layout_there())) {
    std::puts("the two files disagree about a layout");
    return 1;
  }
  thaw::Arena arena(buffer, sizeof buffer);
  thaw::Cpu::Context context{&arena};
  const auto x = thaw::Array<float>::make(context, {101});
  for (thaw::Index i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  const auto there = squares_there(x);
  const auto here = thaw::square(x);
  for (thaw::Index i = 0; i < x.size(); ++i) {
    const float want = static_cast<float>(i * i);
    if (here[i] != want || there[i] != want) return 1;
  }
  // 0 + 1 + ... + 100 = 5050, squared terms 338350.
  return thaw::sum(there).item() == 338350.0F ? 0 : 1;
}
