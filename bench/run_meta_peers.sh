#!/bin/sh
# Times the meta-learners and their peers in turn on this machine and prints one table of medians and ratios
# (docs/performance.md).
#
#   bench/run_meta_peers.sh [repetitions, 3] [seconds a case, 3]
#
# Needs on Debian: g++ libeigen3-dev python3-torch libopenblas0-openmp, and 1 GB in build/.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$root/build/peers
python=${PYTHON:-/usr/bin/python3}
mkdir -p "$build"

for name in hyperrs melu; do
  echo "building ${name}_bench" >&2
  ${CXX:-g++} -O2 -DNDEBUG -std=c++20 -fopenmp -I"$root/include" -I"$root/examples" -I"$root/bench" \
    -I/usr/include/eigen3 "$root/bench/meta/${name}_bench.cpp" -o "$build/${name}_bench"
done
"$build/melu_bench" dump "$build/melu.safetensors"
"$python" "$root/bench/peers/melu_peer.py" --dump "$build/melu.safetensors" --only_check 1 >&2
for width in 64 128; do
  "$build/hyperrs_bench" dump "$build/hyperrs$width.safetensors" $width
  "$python" "$root/bench/peers/hyperrs_peer.py" --dump "$build/hyperrs$width.safetensors" --only_check 1 >&2
done
exec "$python" "$root/bench/peers/alternate_meta.py" "$build" "${1:-3}" "${2:-3}"
