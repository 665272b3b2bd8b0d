"""The settings under which PyTorch is fastest here, and the timing of a step. Import before torch.

BLAS and allocator read their environment once, so a script that asks for other settings starts itself again.
"""
import argparse
import json
import os
import statistics
import sys
import time

MULTIARCH = ("x86_64-linux-gnu", "aarch64-linux-gnu")


def arguments(description, **more):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5, help="time each case for about this long")
    parser.add_argument("--steps", type=int, default=5, help="and at least this often")
    parser.add_argument("--tuned", type=int, choices=[0, 1], default=1, help="0: PyTorch as it comes")
    for name, default in more.items():
        parser.add_argument("--" + name, type=type(default), default=default)
    options = parser.parse_args()
    if os.environ.get("THAW_PEER") != "ready":
        restart(options)
    return options


def restart(options):
    env = dict(os.environ, THAW_PEER="ready")
    if options.tuned:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            env[name] = str(options.threads)
        # Pages that were used once stay with the process, and are large where the system allows it.
        env.update(MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_=str(1 << 40), MALLOC_TOP_PAD_=str(64 << 20))
        env["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        folders = [f"/usr/lib/{arch}/openblas-openmp" for arch in MULTIARCH]
        found = [f for f in folders if os.path.exists(f + "/libblas.so.3")]
        if not found:
            sys.exit("libopenblas0-openmp is not installed; PyTorch's best form needs it (or say --tuned 0)")
        env["LD_LIBRARY_PATH"] = found[0] + ":" + env.get("LD_LIBRARY_PATH", "")
    os.execve(sys.executable, [sys.executable] + sys.argv, env)


def report(options, case, step, **more):
    """Median of the steps after two that do not count, as one JSON line with whatever `more` says."""
    step(), step()
    times, end = [], time.perf_counter() + options.seconds
    while len(times) < options.steps or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    side = "PyTorch" if options.tuned else "PyTorch as it comes"
    line = {"case": case, "side": side, "threads": options.threads, "ms": statistics.median(times)}
    print(json.dumps(dict(line, ms_min=min(times), steps=len(times), **more)), flush=True)
