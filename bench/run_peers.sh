#!/bin/sh
# Times thaw and its peers in turn on this machine and prints one table of medians and ratios (docs/performance.md).
#
#   bench/run_peers.sh [repetitions, 3] [seconds a case, 4]
#
# Needs on Debian: g++ libeigen3-dev python3-torch libopenblas0-openmp, and libtorch-dev for the small step.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$root/build/peers
python=${PYTHON:-/usr/bin/python3}
torch=${LIBTORCH_HEADERS:-/usr/include/torch/csrc/api/include}
mkdir -p "$build"

compile() {  # program, source, options: what users get, -O2
  echo "building $1" >&2
  ${CXX:-g++} -O2 -DNDEBUG "$root/bench/$2" -o "$build/$1" $3
}
ours="-std=c++20 -fopenmp -I$root/include -I$root/examples -I$root/bench -I/usr/include/eigen3"
compile hire_bench train_step/hire_bench.cpp "$ours"
compile mlp_bench train_step/mlp_bench.cpp "$ours"
rm -f "$build/mlp_libtorch"
if [ -e "$torch/torch/torch.h" ]; then
  compile mlp_libtorch peers/mlp_libtorch.cpp "-std=c++17 -w -I$torch -ltorch -ltorch_cpu -lc10"
else
  echo "libtorch-dev is not installed: the small step is not compared" >&2
fi
"$build/hire_bench" dump "$build/step.safetensors" >&2
exec "$python" "$root/bench/peers/alternate.py" "$build" "${1:-3}" "${2:-4}"
