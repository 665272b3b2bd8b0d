// What two files of one program agree on, whatever flags each is compiled with.
#pragma once

#include <thaw/infer.hpp>

struct Layout {
  std::size_t array, shape, arena, context, alignment;
  bool operator==(const Layout&) const = default;
};

inline constexpr Layout kLayoutHere = {sizeof(thaw::Array<float>), sizeof(thaw::Shape), sizeof(thaw::Arena),
                                       sizeof(thaw::Cpu::Context), alignof(thaw::Array<float>)};

#if !defined(THAW_TEST_EXPORT)
#define THAW_TEST_EXPORT
#endif

// In wide.cpp, compiled with -mavx2 -mfma or into a shared library:
THAW_TEST_EXPORT Layout layout_there();
THAW_TEST_EXPORT thaw::Array<float> squares_there(const thaw::Array<float>& x);
