// Adding arrays of two number types.
// expect: operands live on different backends or have different number types
#include <thaw/ops/elementwise.hpp>

#if defined(MISTAKE)
using Other = double;
#else
using Other = float;
#endif

thaw::Array<float> sum_of(const thaw::Array<float>& a, const thaw::Array<Other>& b);
thaw::Array<float> sum_of(const thaw::Array<float>& a, const thaw::Array<Other>& b) { return thaw::add(a, b); }
