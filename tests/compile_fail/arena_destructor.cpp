// Putting something into an arena whose destructor would never run.
// expect: an arena runs no destructors
#include <thaw/core/arena.hpp>

struct Holder {
  int* owned = nullptr;
#if defined(MISTAKE)
  ~Holder() { owned = nullptr; }
#endif
};

Holder* holders(thaw::Arena& arena);
Holder* holders(thaw::Arena& arena) { return arena.take<Holder>(3); }
