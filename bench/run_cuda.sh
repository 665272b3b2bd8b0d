#!/bin/sh
# Everything that needs a GPU, in one call: builds the device suite, the timings and the trainers; runs the suite, also
# under compute-sanitizer, the timings, PyTorch beside them and the trainers; prints one table last (docs/cuda.md).
#
#   bench/run_cuda.sh [build|suite|sanitize|time|trainers|table]...        nothing named: all of them in this order
#
# Needs nvcc 12.4 or later with cuBLAS and cuSPARSE; compute-sanitizer, a Python with PyTorch, and for the trainers
# CLI11 are used where they are found. The other settings are variables:
#   OUT=<folder>   where logs and results go    CUDA_HOME=<toolkit>    CUDA_ARCH=90 (else that of this machine's device)
#   PYTHON=<python with PyTorch>                SECONDS_EACH=150: the most that one sanitizer may take
# Exit status: 0 if all that ran passed, 77 if there is no device, else 1.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$root/build/cuda
results=${OUT:-$build}/results
python=${PYTHON:-python3}
most=${SECONDS_EACH:-150}
mkdir -p "$build/objects" "$results"
status=0

has() { command -v "$1" >/dev/null 2>&1; }
if has nvcc; then nvcc=nvcc; else nvcc=${CUDA_HOME:-/usr/local/cuda}/bin/nvcc; fi
toolkit=$(dirname -- "$(dirname -- "$(command -v "$nvcc" || echo "$nvcc")")")

arch=${CUDA_ARCH:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d '. ')}
arch=${arch:-90}

# keep <name> <seconds> <command>...: runs it, keeps its output and exit status.
keep() {
  name=$1 limit=$2
  shift 2
  echo "run_cuda: $name" >&2
  timeout "$limit" "$@" >"$results/$name.log" 2>&1
  code=$?
  echo "$code" >"$results/$name.status"
  if [ "$code" -ne 0 ]; then status=1; fi
  return $code
}

find_device() {
  has nvidia-smi || return 0
  keep device 60 nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader
}

# Each file once, several at a time: device code is slow to compile.
compile() {
  has "$nvcc" || [ -x "$nvcc" ] || { echo "run_cuda: no nvcc; put it in PATH or set CUDA_HOME" >&2; exit 1; }
  echo "run_cuda: building for compute capability $arch" >&2
  export nvcc root build arch
  # shellcheck disable=SC2016
  (cd "$root" && ls tests/cuda/device_*.cu bench/cuda/*.cu examples/*/cuda_*.cu) | xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 1 sh -c '
    object=$build/objects/$(basename "$1" .cu).o
    "$nvcc" -std=c++20 -O2 -lineinfo -Werror cross-execution-space-call -gencode "arch=compute_$arch,code=sm_$arch" -I"$root/include" -I"$root/examples" \
      -I"$root/bench" -I"$root" -c "$root/$1" -o "$object" || { echo "run_cuda: $1 does not compile" >&2; exit 255; }
  ' compile >"$results/build.log" 2>&1 || { cat "$results/build.log" >&2; exit 1; }
  link thaw_cuda_suite tests/cuda/device_*.cu
  link thaw_cuda_bench bench/cuda/*.cu
}

# link <program> <its CUDA>...
link() {
  program=$1
  shift
  objects=''
  for source in "$@"; do objects="$objects $build/objects/$(basename "$source" .cu).o"; done
  # $objects is a list of words on purpose.
  # shellcheck disable=SC2086
  "$nvcc" -gencode "arch=compute_$arch,code=sm_$arch" $objects -o "$build/$program" -L"$toolkit/lib64" -lcublas \
    -lcusparse -Xlinker -rpath -Xlinker "$toolkit/lib64" || exit 1
}

# The programs that take --device cuda, linked with what `build` compiled of them, and a short run of each.
trainers() {
  trainer thaw_hire_demo examples/hire/demo.cpp examples/hire/cuda_training.cu --quick
  trainer thaw_meta_train examples/hyperrs/train.cpp examples/hyperrs/cuda_steps.cu --quick --no-report \
    --model hyperrs --variant paper
}

# trainer <program> <its C++> <its CUDA> <arguments>...: the host's part goes to the host's compiler.
trainer() {
  cxx=${CXX:-c++} flags='' libraries=''
  has_header() { echo "#include <$1>" | $cxx -E -x c++ - >/dev/null 2>&1; }
  has_header CLI/CLI.hpp || { echo "run_cuda: without CLI11 $1 is left out" >&2; return; }
  if has_header zlib.h; then flags="$flags -DTHAW_HAS_ZLIB=1" libraries="$libraries -lz"; fi
  if [ -d /usr/include/eigen3 ]; then flags="$flags -isystem /usr/include/eigen3"; fi
  if has ccache; then cxx="ccache $cxx"; fi
  object=$build/objects/$1.o
  # $cxx, $flags and $libraries are lists of words on purpose.
  # shellcheck disable=SC2086
  if ! $cxx -std=c++20 -O2 -fopenmp $flags -I"$root/include" -I"$root/examples" -c "$root/$2" -o "$object"; then
    status=1
    return
  fi
  # shellcheck disable=SC2086
  "$nvcc" -gencode "arch=compute_$arch,code=sm_$arch" -Xcompiler -fopenmp "$object" \
    "$build/objects/$(basename "$3" .cu).o" -o "$build/$1" -L"$toolkit/lib64" -lcublas $libraries \
    -Xlinker -rpath -Xlinker "$toolkit/lib64" || { status=1; return; }
  program=$1
  shift 3
  if [ -e "$results/device.status" ]; then
    keep "$program" 200 "$build/$program" --device cuda --out "$results/$program" "$@"
  fi
}

suite() {
  keep suite 300 "$build/thaw_cuda_suite"
  code=$(cat "$results/suite.status")
  grep FAILED "$results/suite.log"
  tail -n 1 "$results/suite.log"
  if [ "$code" -eq 77 ]; then exit 77; fi
}

sanitize() {
  tool=compute-sanitizer
  has $tool || tool=$toolkit/bin/compute-sanitizer
  has "$tool" || [ -x "$tool" ] || { echo "run_cuda: no compute-sanitizer" >&2; return; }
  for check in memcheck racecheck initcheck; do
    keep "$check" "$most" "$tool" --tool $check --error-exitcode 9 "$build/thaw_cuda_suite" --quiet
  done
}

timings() {
  keep bench 240 "$build/thaw_cuda_bench"
  if "$python" -c 'import torch' 2>/dev/null; then
    keep peer 300 "$python" "$root/bench/peers/cuda_peer.py"
  else
    echo "run_cuda: $python has no PyTorch; only our own times" >&2
  fi
}

cd "$root" || exit 1
[ $# -gt 0 ] || set -- build suite sanitize time trainers table
find_device
for part in "$@"; do
  case $part in
    build) compile ;;
    suite) suite ;;
    sanitize) sanitize ;;
    time) timings ;;
    trainers) trainers ;;
    table) "$python" "$root/bench/peers/cuda_table.py" "$results" ;;
    *) echo "run_cuda: unknown part $part; usage: bench/run_cuda.sh [build|suite|sanitize|time|trainers|table]..." >&2; exit 2 ;;
  esac
done
exit $status
