// The home of the counting operator new, away from code that the compiler would inline it into.
#define THAW_TEST_HEAP_COUNTER_HOME
#include "tests/heap_counter.hpp"
