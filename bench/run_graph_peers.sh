#!/bin/sh
# Times the graph layer and its peers in turn on this machine, one JSON line a case (docs/graph.md).
#
#   bench/run_graph_peers.sh [repetitions, 3] [seconds a case, 3] [threads, 2]
#
# Needs on Debian: g++ python3-torch python3-numpy libopenblas0-openmp, and 400 MB in build/. python3-gensim, python3-sklearn
# and python3-faiss are compared where they are installed.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$root/build/peers
python=${PYTHON:-/usr/bin/python3}
seconds=${2:-3}
threads=${3:-2}
mkdir -p "$build"
for name in lightgcn graph; do
  echo "building ${name}_bench" >&2
  ${CXX:-g++} -O2 -DNDEBUG -std=c++20 -fopenmp -I"$root/include" -I"$root/bench" "$root/bench/graph/${name}_bench.cpp" \
    -o "$build/${name}_bench" -lz
done
"$build/lightgcn_bench" dump "$build/graph.safetensors"
repetition=0
while [ "$repetition" -lt "${1:-3}" ]; do
  repetition=$((repetition + 1))
  "$build/lightgcn_bench" "$threads" "$seconds"
  "$python" "$root/bench/peers/lightgcn_peer.py" --dump "$build/graph.safetensors" --threads "$threads" \
    --seconds "$seconds"
  for case in walks skip_gram k_means; do
    "$build/graph_bench" "$threads" "$seconds" "$case"
    "$python" "$root/bench/peers/graph_peer.py" --threads "$threads" --seconds "$seconds" --case "$case"
  done
  for case in second_order ials bpr; do
    "$build/graph_bench" "$threads" "$seconds" "$case"
  done
done
