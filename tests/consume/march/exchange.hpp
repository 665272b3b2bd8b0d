// What two files of one program agree on, whatever flags each is compiled with.
#pragma once

#include <thaw/infer.hpp>

struct Layout {
  std::size_t array, shape, arena, context, alignment;
  bool operator==(const Layout&) const = default;
};

inline constexpr Layout kLayoutHere = {sizeof(thaw::Array<float>), sizeof(thaw::Shape), sizeof(thaw::Arena),
                                       sizeof(thaw::Cpu::Context), alignof(thaw::Array<float>)};

// In wide.cpp, compiled with -mavx2 -mfma:
Layout layout_there();
thaw::Array<float> squares_there(const thaw::Array<float>& x);
