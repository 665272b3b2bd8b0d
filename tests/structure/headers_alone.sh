#!/bin/sh
# Compiles each public header by itself, without exceptions or run-time types and with the strictest warnings. Prints
# the ones that fail, and a count.
# usage: headers_alone.sh [compiler]
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cxx=${1:-g++}
log=$(mktemp -d) || exit 1
trap 'rm -rf "$log"' EXIT INT TERM
eigen=''
if [ -d /usr/include/eigen3 ]; then eigen='-isystem /usr/include/eigen3'; fi

export cxx eigen log
cd "$root/include" || exit 1
# Each is included from a file of its own, because compilers warn about #pragma once in a main file.
# shellcheck disable=SC2016
# A file without #pragma once is a part that its owner includes several times.
grep -rl --include='*.hpp' '^#pragma once' thaw | LC_ALL=C sort | xargs -P 2 -n 1 sh -c '
  if ! printf "#include <%s>\n" "$1" | $cxx -std=c++20 -fsyntax-only -fno-exceptions -fno-rtti -Wall -Wextra -Wconversion -Wshadow -Werror -I. \
      $eigen -x c++ - >"$log/$$" 2>&1; then
    echo "$1"
    head -n 6 "$log/$$"
    echo "$1" >>"$log/failed"
  fi' header
total=$(grep -rl --include='*.hpp' '^#pragma once' thaw | wc -l)
failed=0
if [ -f "$log/failed" ]; then failed=$(wc -l <"$log/failed"); fi
echo "headers alone: $((total)) headers, $((failed)) failed"
[ "$failed" -eq 0 ]
