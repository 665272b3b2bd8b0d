// The library's names that the networks of this folder are written with.
#pragma once

#include "thaw/nn/embedding.hpp"

namespace hyperrs {

using thaw::Bags;
using thaw::Index;
using thaw::Several;
using thaw::Spec;
using thaw::Value;

}  // namespace hyperrs
