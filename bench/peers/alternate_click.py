"""Runs DeepFM on clicks and its peer in turn and prints a table; started by bench/run_click_peers.sh.

    alternate_click.py <folder of programs> <repetitions> <seconds a case> [threads, 2,1]

A case of one side runs right before the same case of the other. Every number is the median over the repetitions of the
medians over the steps; a ratio is the median of the ratios of single repetitions, in which both sides saw the same
machine. Raw lines are kept in <folder>/click_lines.json.
"""
import json
import os
import statistics
import sys

import alternate

TRAIN = [f"deepfm train {kind} batch {rows}" for rows in (2048, 128) for kind in ("dense", "sparse")]
# Ours, the peer's
SCORE = [("deepfm request 1", "deepfm score 1"), ("deepfm request 500", "deepfm score 500"),
         ("deepfm request 500", "deepfm request 500"), ("deepfm score 1", "deepfm score 1"),
         ("deepfm score 500", "deepfm score 500"), ("deepfm score 2048", "deepfm score 2048")]
ITEM_BYTES = 384  # of the catalogue, for each candidate of a request


def collect(folder, repetitions, seconds, threads):
    lines = []
    script = os.path.join(alternate.HERE, "ctr_peer.py")
    for repetition in range(repetitions):
        for count in threads:
            alternate.run(lines, repetition, f"{folder}/deepfm_bench", count, seconds, "memory")
            for case in dict.fromkeys(TRAIN + [name for pair in SCORE for name in pair]):
                alternate.run(lines, repetition, f"{folder}/deepfm_bench", count, seconds, case + "$")
                alternate.run(lines, repetition, sys.executable, script, "--dump", f"{folder}/click.safetensors",
                              "--threads", count, "--seconds", seconds, "--case", case + "$")
    return lines


def ratio(lines, ours, theirs, threads):
    found = []
    for repetition in {x["repetition"] for x in lines}:
        of = lambda side, case: alternate.median(lines, "ms", case=case, side=side, threads=threads,
                                                 repetition=repetition)
        found.append(of("PyTorch", theirs) / of("thaw", ours))
    return f"{statistics.median(found):.1f}x ({min(found):.1f} to {max(found):.1f})"


def table(lines, threads):
    of = lambda side, case, count, field="ms": alternate.median(lines, field, case=case, side=side, threads=count)
    print("| training step | threads | thaw, ms | samples/s | share of peak | PyTorch, ms | ratio (lowest to highest) |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for case in TRAIN:
        for count in threads:
            ms, peak = of("thaw", case, count), of("thaw", "memory", count, "peak_gflop_per_s")
            share = of("thaw", case, count, "gflop_per_s") / peak / count
            rows = int(case.split()[-1])
            print(f"| {case[13:]} | {count} | {ms:.3g} | {1e-3 * rows / ms:.2f} M | {100 * share:.0f} % | "
                  f"{of('PyTorch', case, count):.3g} | {ratio(lines, case, case, count)} |")
    print("\n| scoring | threads | thaw, us | share of bandwidth | PyTorch | PyTorch, us | ratio |")
    print("|---|---:|---:|---:|---|---:|---:|")
    for ours, theirs in SCORE:
        for count in threads:
            ms, size = of("thaw", ours, count), int(ours.split()[-1])
            read = 1e-6 * ITEM_BYTES * size / ms / of("thaw", "memory", count, "gb_per_s")
            bandwidth = f"{100 * read:.0f} %" if "request" in ours else ""
            print(f"| {ours[7:]} | {count} | {1e3 * ms:.3g} | {bandwidth} | {theirs[7:]} | "
                  f"{1e3 * of('PyTorch', theirs, count):.3g} | {ratio(lines, ours, theirs, count)} |")
    for count in threads:
        print(f"\nMemory, {count} thread(s): {of('thaw', 'memory', count, 'gb_per_s'):.1f} GB/s, peak of a thread "
              f"{of('thaw', 'memory', count, 'peak_gflop_per_s'):.0f} GFLOP/s", end="")
    print(f"\n\nOther programs took at most {max(x['others'] for x in lines):.2f} processors meanwhile.")


if __name__ == "__main__":
    folder, repetitions, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    threads = (sys.argv[4] if len(sys.argv) > 4 else "2,1").split(",")
    lines = collect(folder, repetitions, seconds, threads)
    with open(os.path.join(folder, "click_lines.json"), "w") as file:
        json.dump(lines, file, indent=1)
    table(lines, [int(count) for count in threads])
