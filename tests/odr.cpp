// Includes the whole library and is linked into every test program: a definition that is not inline fails them all.
#if __has_include(<thaw/thaw.hpp>)
#include <thaw/thaw.hpp>
#endif
