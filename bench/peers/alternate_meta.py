"""Runs the meta-learners and their peers in turn and prints a table; started by bench/run_meta_peers.sh.

    alternate_meta.py <folder of programs> <repetitions> <seconds a case> [threads, 2,1] [widths, 64,128 and 0 for MeLU]

A case of one side runs right before the same case of the other. Every number is the median over the repetitions of the
medians over the steps. Raw lines are kept in <folder>/meta_lines.json.
"""
import json
import os
import sys

import alternate

TRAIN = ["train first order", "train exact"]
ADAPT = ["adapt", "adapt from kept start"]
ADAMS = ["torch", "rows"]  # how HyperRS's peer steps the weights


def python(peer, dump, threads, seconds, case, adam):
    script = os.path.join(alternate.HERE, peer)
    return [sys.executable, script, "--dump", dump, "--threads", threads, "--seconds", seconds, "--case", case,
            "--adam", adam]


def hyperrs(lines, repetition, folder, threads, seconds, width):
    dump = f"{folder}/hyperrs{width}.safetensors"
    peer = lambda case, adam: alternate.run(lines, repetition,
                                            *python("hyperrs_peer.py", dump, threads, seconds, case, adam))
    for case in TRAIN + ADAPT:
        alternate.run(lines, repetition, f"{folder}/hyperrs_bench", threads, seconds, width, case)
        if case in ADAPT:
            peer(case, "rows")
            continue
        for adam in ADAMS:
            peer(f"{case}, batched", adam)
        peer(f"{case}, sequential", "torch")


def melu(lines, repetition, folder, threads, seconds):
    dump = f"{folder}/melu.safetensors"
    for case in ("melu first order", "melu exact", "melu adapt"):
        alternate.run(lines, repetition, f"{folder}/melu_bench", threads, seconds, case)
        forms = [case] if case == "melu adapt" else [f"{case}, batched", f"{case}, sequential"]
        for form in forms:
            adams = ["foreach", "torch"] if "batched" in form else ["foreach"]
            for adam in adams:
                alternate.run(lines, repetition, *python("melu_peer.py", dump, threads, seconds, form, adam))


def row(lines, case, threads, label, **wanted):
    ours = alternate.median(lines, "ms", case=case, threads=threads, side="thaw", **wanted)
    if ours is None:
        return

    def theirs(form, *adams):
        found = [alternate.median(lines, "ms", case=case + form, threads=threads, side="PyTorch", adam=adam, **wanted)
                 for adam in adams]
        return min((ms for ms in found if ms is not None), default=None)

    if "adapt" in case:
        peers = [theirs("", "rows", "torch", "foreach")]
        show = lambda ms: f"{1e3 * ms:.0f} us"
    else:
        peers = [theirs(", batched", "torch", "foreach"), theirs(", batched", "rows"),
                 theirs(", sequential", "torch", "foreach")]
        show = lambda ms: f"{32e3 / ms:.0f} /s"
    times = [show(ms) if ms else "" for ms in peers]
    ratios = [f"{ms / ours:.1f}x" if ms else "" for ms in peers]
    blank = [""] * (3 - len(peers))
    print("| " + " | ".join([label, str(threads), show(ours)] + times + blank + ratios + blank) + " |")


def table(lines):
    print("| case | threads | thaw | PyTorch batched | Adam by rows | one by one | to batched | to rows | to one by one |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for width in (64, 128):
        for case in TRAIN + ADAPT:
            for threads in (2, 1):
                row(lines, case, threads, f"HyperRS d = {width}: {case}", width=width)
    for case in ("melu first order", "melu exact", "melu adapt"):
        for threads in (2, 1):
            row(lines, case, threads, case.replace("melu", "MeLU:"))
    for threads in (2, 1):
        gb = alternate.median(lines, "gb_per_s", case="memory", threads=threads)
        if gb is not None:
            print(f"\nMemory, {threads} thread(s): {gb:.1f} GB/s", end="")
    others = max(x["others"] for x in lines)
    print(f"\n\nOther programs took at most {others:.2f} processors meanwhile.")


if __name__ == "__main__":
    folder, repetitions, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    threads = (sys.argv[4] if len(sys.argv) > 4 else "2,1").split(",")
    widths = (sys.argv[5] if len(sys.argv) > 5 else "64,128,0").split(",")
    lines, kept = [], os.path.join(folder, "meta_lines.json")
    for repetition in range(repetitions):
        for count in threads:
            alternate.run(lines, repetition, f"{folder}/hyperrs_bench", count, seconds, "64", "memory")
            for width in widths:
                if width == "0":
                    melu(lines, repetition, folder, count, seconds)
                else:
                    hyperrs(lines, repetition, folder, count, seconds, width)
    with open(kept, "w") as file:
        json.dump(lines, file, indent=1)
    table(lines)
