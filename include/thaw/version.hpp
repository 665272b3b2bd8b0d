// The version of the library, written once; CMake reads it from here.
#pragma once

#define THAW_VERSION_MAJOR 0
#define THAW_VERSION_MINOR 1
#define THAW_VERSION_PATCH 0
