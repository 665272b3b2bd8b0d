#include "exchange.hpp"

Layout layout_there() { return kLayoutHere; }

thaw::Array<float> squares_there(const thaw::Array<float>& x) { return thaw::square(x); }
