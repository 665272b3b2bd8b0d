// A model with a member that is neither a value, nor a module, nor a setting that can be copied.
// expect: a model member must be a Value
#include <thaw/core/module.hpp>

struct Names {
  int count = 0;
#if defined(MISTAKE)
  Names() = default;
  Names(const Names& other) : count(other.count) {}
  Names& operator=(const Names&) = default;
#endif
};

template <thaw::Value T>
struct Tower {
  T weight;
  Names names;
  static void each(auto&& visit, auto&... m) { visit("weight", m.weight...), visit("names", m.names...); }
};

int tensors(const Tower<thaw::Spec>& model);
int tensors(const Tower<thaw::Spec>& model) { return thaw::tensor_count(model); }
