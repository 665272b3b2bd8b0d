#!/bin/sh
# Each program here is a likely mistake. It must not compile, the message must contain the sentence after "expect:",
# and nobody should have to read more than 40 lines. Compiled without -DMISTAKE it must be fine, so that the sentence
# is really about the mistake.
# usage: run.sh [compiler]
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cxx=${1:-g++}
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT INT TERM
count=0
failed=0
fail() { echo "$1: $2"; head -n 10 "$log"; failed=$((failed + 1)); }
for source in "$here"/*.cpp; do
  name=$(basename "$source")
  count=$((count + 1))
  sentence=$(sed -n 's/^\/\/ expect: //p' "$source")
  set -- "$cxx" -std=c++20 -fsyntax-only -I"$here/../../include" "$source"
  if [ -z "$sentence" ]; then fail "$name" 'has no "// expect:" line'
  elif ! "$@" >"$log" 2>&1; then fail "$name" 'does not compile without the mistake'
  elif "$@" -DMISTAKE >"$log" 2>&1; then fail "$name" 'compiles with the mistake'
  elif ! grep -qF "$sentence" "$log"; then fail "$name" "the message does not say: $sentence"
  elif [ "$(wc -l <"$log")" -gt 40 ]; then fail "$name" "the message has $(wc -l <"$log") lines"
  fi
done
echo "compile failures: $count mistakes, $failed not explained"
[ "$failed" -eq 0 ] && [ "$count" -gt 0 ]
