#!/bin/sh
# Times T5-small and PyTorch in turn on this machine and prints one table of medians and ratios (docs/performance.md).
#
#   bench/run_t5_peers.sh [repetitions, 3] [seconds a case, 4] [threads, 2]
#
# Needs on Debian: g++ libeigen3-dev python3-torch libopenblas0-openmp, and 250 MB in build/.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$root/build/peers
python=${PYTHON:-/usr/bin/python3}
mkdir -p "$build"

echo "building t5_bench" >&2
${CXX:-g++} -O2 -DNDEBUG -std=c++20 -fopenmp -I"$root/include" -I"$root/examples" -I"$root/bench" \
  -I/usr/include/eigen3 "$root/bench/t5/t5_bench.cpp" -o "$build/t5_bench"
"$build/t5_bench" dump "$build/t5.safetensors"
"$python" "$root/bench/peers/t5_peer.py" --dump "$build/t5.safetensors" --only_check 1 >&2
exec "$python" "$root/bench/peers/alternate_t5.py" "$build" "${1:-3}" "${2:-4}" "${3:-2}"
