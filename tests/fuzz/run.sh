#!/bin/sh
# Builds every fuzz target (*_fuzz.cpp) with clang and runs each for a while. Inputs that fail are kept beside this
# repository's build files.
# usage: run.sh [seconds for each]
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
seconds=${1:-30}
clang=$(command -v clang++-14 || command -v clang++) || { echo "fuzzing needs clang"; exit 1; }
out="$root/build/fuzz"
mkdir -p "$out"
count=0
failed=0
for source in "$here"/*_fuzz.cpp; do
  [ -f "$source" ] || continue
  count=$((count + 1))
  name=$(basename "$source" .cpp)
  mkdir -p "$out/$name.corpus"
  seeds=''
  if [ -d "$here/corpus/${name%_fuzz}" ]; then seeds="$here/corpus/${name%_fuzz}"; fi
  "$clang" -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I"$root/include" \
    "$source" -o "$out/$name" || { failed=$((failed + 1)); continue; }
  # New inputs go to the first folder; the seeds of the repository are only read.
  if ! "$out/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$out/$name." "$out/$name.corpus" ${seeds:+"$seeds"} >"$out/$name.log" 2>&1; then
    failed=$((failed + 1))
    tail -n 30 "$out/$name.log"
  fi
  printf '%s: %s runs\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$name.log")"
done
if [ "$count" -eq 0 ]; then echo "there is no fuzz target"; exit 1; fi
echo "fuzz: $count targets, $failed failed"
[ "$failed" -eq 0 ]
