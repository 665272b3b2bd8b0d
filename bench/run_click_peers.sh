#!/bin/sh
# Times DeepFM on clicks and its peer in turn on this machine and prints one table of medians and ratios
# (docs/performance.md).
#
#   bench/run_click_peers.sh [repetitions, 3] [seconds a case, 2]
#
# Needs on Debian: g++ libeigen3-dev python3-torch libopenblas0-openmp.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$root/build/peers
python=${PYTHON:-/usr/bin/python3}
mkdir -p "$build"

echo "building deepfm_bench" >&2
${CXX:-g++} -O2 -DNDEBUG -std=c++20 -fopenmp -I"$root/include" -I"$root/examples" -I"$root/bench" \
  -I/usr/include/eigen3 "$root/bench/click/deepfm_bench.cpp" -o "$build/deepfm_bench"
"$build/deepfm_bench" dump "$build/click.safetensors"
"$python" "$root/bench/peers/ctr_peer.py" --dump "$build/click.safetensors" --only_check 1 >&2
exec "$python" "$root/bench/peers/alternate_click.py" "$build" "${1:-3}" "${2:-2}"
