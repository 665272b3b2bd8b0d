"""Runs T5-small and its peer in turn and prints a table; started by bench/run_t5_peers.sh.

    alternate_t5.py <folder of programs> <repetitions> <seconds a case> [threads, 2]

A case of one side runs right before the same case of the other. Every number is the median over the repetitions of the
medians over the steps; a ratio is the median of the ratios of single repetitions. Raw lines are kept in
<folder>/t5_lines.json.
"""
import json
import os
import statistics
import sys

import alternate

# Ours, the peer's, what the table says, users of ours and of the peer's (0: not by user)
CASES = [("t5 train", "t5 train", "training step", 0, 0), ("t5 forward", "t5 forward", "forward pass", 0, 0),
         ("t5 decode", "t5 decode", "constrained decoding, only allowed tokens scored", 16, 16),
         ("t5 decode", "t5 decode whole", "constrained decoding, the whole vocabulary scored", 16, 16),
         ("t5 decode one user", "t5 decode one user", "constrained decoding, one user", 1, 1),
         ("t5 decode", "t5 official", "the official procedure: free beams that each encode the prompt", 16, 2)]


def collect(folder, repetitions, seconds, threads):
    lines, script = [], os.path.join(alternate.HERE, "t5_peer.py")
    for repetition in range(repetitions):
        for count in threads:
            for ours, theirs, *_ in CASES:
                if ours == theirs:
                    alternate.run(lines, repetition, f"{folder}/t5_bench", count, seconds, ours)
                alternate.run(lines, repetition, sys.executable, script, "--dump", f"{folder}/t5.safetensors",
                              "--threads", count, "--seconds", seconds, "--steps", "3", "--case", theirs)
    return lines


def table(lines, threads):
    of = lambda side, case, **more: alternate.median(lines, "ms", case=case, side=side, **more)
    print("| case | threads | thaw, ms | share of peak | PyTorch tuned, ms | ratio (lowest to highest) |")
    print("|---|---:|---:|---:|---:|---:|")
    for ours, theirs, name, our_users, their_users in CASES:
        each = " (a user)" if our_users else ""
        for count in threads:
            mine = lambda **more: of("thaw", ours, threads=count, **more) / (our_users or 1)
            other = lambda **more: of("PyTorch", theirs, threads=count, **more) / (their_users or 1)
            ratios = [other(repetition=r) / mine(repetition=r) for r in {x["repetition"] for x in lines}]
            share = alternate.median(lines, "share_of_peak", case=ours, side="thaw", threads=count)
            print(f"| {name}{each} | {count} | {mine():.4g} | {100 * share:.0f} % | {other():.4g} | "
                  f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f}) |")
    print(f"\nOther programs took at most {max(x['others'] for x in lines):.2f} processors meanwhile.")


if __name__ == "__main__":
    folder, repetitions, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    threads = (sys.argv[4] if len(sys.argv) > 4 else "2").split(",")
    lines = collect(folder, repetitions, seconds, threads)
    with open(os.path.join(folder, "t5_lines.json"), "w") as file:
        json.dump(lines, file, indent=1)
    table(lines, [int(count) for count in threads])
