#!/bin/sh
# Uses thaw the ways a stranger would, each with the stranger's strictest warnings. One line per case; the last line
# is "consume: N passed, N failed".
# usage: run.sh [case]
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
only=${1:-}
cxx=${CXX:-g++}
warnings='-Wall -Wextra -Wconversion -Wshadow -Werror'
scratch=$(mktemp -d "${TMPDIR:-/tmp}/thaw consume XXXXXX") || exit 1  # with spaces, as some paths have
trap 'rm -rf "$scratch"' EXIT INT TERM
passed=0
failed=0

# try <case> <function>: runs the function in an empty folder of its own.
try() {
  if [ -n "$only" ] && [ "$only" != "$1" ]; then return; fi
  mkdir -p "$scratch/$1"
  start=$(date +%s)
  if (cd "$scratch/$1" && "$2") >"$scratch/$1.log" 2>&1; then
    passed=$((passed + 1))
    result='passed'
  else
    failed=$((failed + 1))
    result='FAILED'
  fi
  printf '%s  %-22s %3d s\n' "$result" "$1" $(($(date +%s) - start))
  if [ "$result" = FAILED ]; then { grep -E -i 'error|warning|undefined|multiple|not found|one of these' -A 3 "$scratch/$1.log" || tail "$scratch/$1.log"; } |
    head -n 16; fi
}

# shellcheck disable=SC2086
compile() { $cxx -std=c++20 -O1 $warnings "$@"; }

cmake_project() {
  cmake -S "$here/$1" -B build -G Ninja -DCMAKE_CXX_COMPILER="$cxx" "$2" || return 1
  cmake --build build -j 2 && ctest --test-dir build --output-on-failure
}

installed() {  # installs once, then moves the tree, which must still work
  if [ ! -d "$scratch/moved" ]; then
    cmake -S "$root" -B "$scratch/install build" -G Ninja -DCMAKE_CXX_COMPILER="$cxx" -DTHAW_TESTS=OFF \
      -DTHAW_EXAMPLES=OFF -DCMAKE_INSTALL_PREFIX="$scratch/first" || return 1
    cmake --install "$scratch/install build" && mv "$scratch/first" "$scratch/moved"
  fi
}

copied_folder() {
  cp -R "$root/include/thaw" . && compile -I. "$here/score.cpp" -o score && ./score &&
    compile -I. "$here/learn.cpp" -o learn && ./learn
}

# The other compiler of the two, at the levels where nothing is vectorised: no hint to the optimiser may become a warning.
other_compiler() {
  case $cxx in *clang*) other=g++ ;; *) other=$(command -v clang++-14 || command -v clang++) ;; esac
  for level in -O0 -O1 -Os; do
    # shellcheck disable=SC2086
    $other -std=c++20 $warnings $level -I"$root/include" "$here/learn.cpp" -o learn && ./learn || return 1
  done
}

subdirectory() { cmake_project subdirectory "-DTHAW_DIR=$root"; }

subdirectory_with_space() {
  mkdir "my copy" && cp -R "$root/CMakeLists.txt" "$root/cmake" "$root/include" "$root/examples" "my copy" &&
    cmake_project subdirectory "-DTHAW_DIR=$PWD/my copy"
}

package() { installed && cmake_project package "-DCMAKE_PREFIX_PATH=$scratch/moved"; }

pkg_config() {
  installed || return 1
  flags=$(PKG_CONFIG_PATH="$scratch/moved/share/pkgconfig" pkg-config --cflags thaw) || return 1
  PKG_CONFIG_PATH="$scratch/moved/share/pkgconfig" pkg-config --modversion thaw || return 1
  # pkg-config escapes the spaces of a path for a shell to read.
  eval "compile $flags \"$here/score.cpp\" -o score" && ./score
}

two_instruction_sets() {
  if ! grep -q avx2 /proc/cpuinfo 2>/dev/null; then echo "this machine has no AVX2 to test with"; return 1; fi
  compile -O2 -fsanitize=address -I"$root/include" -c "$here/march/plain.cpp" -o plain.o &&
    compile -O2 -fsanitize=address -mavx2 -mfma -I"$root/include" -c "$here/march/wide.cpp" -o wide.o || return 1
  # Whichever file's copy of an inline function the linker keeps, the program must work.
  compile -fsanitize=address plain.o wide.o -o plain_first && ./plain_first &&
    compile -fsanitize=address wide.o plain.o -o wide_first && ./wide_first
}

# A plugin: thaw inside a shared library with hidden symbols, and inside the program that loads it.
shared_library() {
  compile -fPIC -fvisibility=hidden -DTHAW_TEST_EXPORT='__attribute__((visibility("default")))' -I"$root/include" \
    -shared "$here/march/wide.cpp" -o libwide.so || return 1
  if nm -DC --defined-only libwide.so | grep 'thaw::' | grep -v -e 'squares_there' -e 'layout_there'; then
    echo "one of these symbols leaves the library"
    return 1
  fi
  compile -I"$root/include" "$here/march/plain.cpp" -L. -lwide -Wl,-rpath,"$PWD" -o plain && ./plain
}

# Two versions differ in the inline namespace; no name of one may be a name of the other.
two_versions() {
  mkdir other && cp -R "$root/include/thaw" other/thaw &&
    find other/thaw -type f -exec sed -i 's/namespace thaw::inline v0\b/namespace thaw::inline v9/' {} + || return 1
  compile -Dmain=learn_with_this -I"$root/include" -c "$here/learn.cpp" -o this.o &&
    compile -Dmain=learn_with_other -Iother -c "$here/learn.cpp" -o other.o || return 1
  for object in this other; do
    nm --defined-only "$object.o" | awk '$2 ~ /^[TWVBDRu]$/ && $3 ~ /thaw/ {print $3}' | LC_ALL=C sort -u >"$object.names"
    [ -s "$object.names" ] || return 1
  done
  if LC_ALL=C comm -12 this.names other.names | c++filt | grep .; then
    echo "one of these names is in both versions"
    return 1
  fi
  compile "$here/versions/both.cpp" this.o other.o -o both && ./both
}

# Everything of -ffast-math but the promise that there are no NaN, which core/config.hpp refuses.
fast_math() {
  compile -O2 -ffast-math -fno-finite-math-only -I"$root/include" "$here/score.cpp" -o score && ./score &&
    compile -O2 -ffast-math -fno-finite-math-only -I"$root/include" "$here/learn.cpp" -o learn && ./learn
}

every_header_twice() {
  list=$(cd "$root/include" && grep -rl --include='*.hpp' '^#pragma once' thaw | LC_ALL=C sort)
  printf '%s\n' "$list" | sed 's/.*/#include <&>/' >all_headers.hpp
  printf '%s\n' "$list" | LC_ALL=C sort -r | sed 's/.*/#include <&>/' >all_headers_reversed.hpp
  eigen=''
  if [ -d /usr/include/eigen3 ]; then eigen='-isystem /usr/include/eigen3'; fi
  # shellcheck disable=SC2086
  compile -O0 -I"$root/include" -I. $eigen -c "$here/odr/one.cpp" -o one.o &&
    compile -O0 -DNDEBUG -fno-exceptions -fno-rtti -I"$root/include" -I. $eigen -c "$here/odr/two.cpp" -o two.o &&
    $cxx one.o two.o -o both -lz && ./both
}

nasty_macros() { compile -fsyntax-only -I"$root/include" "$here/nasty_macros.cpp"; }

# A device has no C++ runtime: nothing but the C library and its mathematics may be needed.
no_runtime() {
  compile -O2 -fno-exceptions -fno-rtti -fno-threadsafe-statics -nodefaultlibs -I"$root/include" "$here/score.cpp" \
    -o score -lc -lm && ./score || return 1
  compile -O2 -fno-exceptions -fno-rtti -c -I"$root/include" "$here/score.cpp" -o score.o || return 1
  if nm -C score.o | grep -E 'operator (new|delete)|__cxa_|std::|Var<|Tape|malloc'; then
    echo "the scoring object contains one of these symbols"
    return 1
  fi
  size score.o
}

try copied_folder copied_folder
try other_compiler other_compiler
try subdirectory subdirectory
try subdirectory_with_space subdirectory_with_space
try package package
try pkg_config pkg_config
try two_instruction_sets two_instruction_sets
try shared_library shared_library
try two_versions two_versions
try fast_math fast_math
try every_header_twice every_header_twice
try nasty_macros nasty_macros
try no_runtime no_runtime
echo "consume: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
