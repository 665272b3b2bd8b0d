#!/usr/bin/env bash
# What it costs a user to include thaw: CPU seconds of compiling a file that holds nothing but the include, best of
# three. Fails at 1.5 times the budget, because machines vary; the budget is meant for a current desktop core.
# usage: include_cost.sh [compiler]
set -u
root=$(cd -- "$(dirname -- "$0")/../.." && pwd)
cxx=${1:-g++}
status=0

cost() {  # cost <header>: hundredths of a second
  local best=1000000 seconds
  for _ in 1 2 3; do
    seconds=$( { TIMEFORMAT='%3U %3S'; time echo "#include <$1>" |
      "$cxx" -std=c++20 -O2 -I"$root/include" -x c++ -c - -o /dev/null >&2; } 2>&1) || return 1
    case $seconds in *error*) echo "$seconds" >&2; return 1 ;; esac
    seconds=$(awk '{printf "%d", ($1 + $2) * 100 + 0.5}' <<<"$seconds")
    if [ "$seconds" -lt "$best" ]; then best=$seconds; fi
  done
  echo "$best"
}

check() {  # check <header> <budget in hundredths>
  local spent
  spent=$(cost "$1") || { echo "$1 does not compile"; status=1; return; }
  awk -v h="$1" -v s="$spent" -v b="$2" \
    'BEGIN {printf "%-16s %.2f s (budget %.2f s, limit %.2f s)\n", h, s / 100, b / 100, b * 1.5 / 100}'
  if [ $((spent * 2)) -gt $(($2 * 3)) ]; then status=1; fi
}

check thaw/infer.hpp 20
check thaw/train.hpp 50
exit $status
