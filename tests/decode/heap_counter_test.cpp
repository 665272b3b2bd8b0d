// The counting operator new of this test program, in a file of its own: where it can be inlined, a compiler takes the
// pair of it and free() for a mistake.
#define THAW_TEST_HEAP_COUNTER_HOME
#include "../heap_counter.hpp"
