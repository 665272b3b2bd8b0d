"""Runs thaw and the peers in turn and prints a table; started by bench/run_peers.sh.

    alternate.py <folder of programs> <repetitions> <seconds a case>

A case of one side runs right before the same case of the other, so that both see the same machine. Every number is the
median over the repetitions of the medians over the steps. Raw lines are kept in <folder>/lines.json.
"""
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HIRE = ["train batch 8", "train batch 1", "score one context"]
NAMES = {
    "train batch 8": "training step, 8 contexts",
    "train batch 1": "training step, 1 context",
    "score one context": "score one context, all users",
    "score one user": "score one context, its new user",
    "mlp sgd step": "SGD step of a 64-64-64-1 network, batch 1",
}


def busy():
    """Seconds of processor time that the whole machine has spent."""
    with open("/proc/stat") as file:
        fields = [int(x) for x in file.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def run(lines, repetition, *command):
    before, own_before = busy(), os.times()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    own_after = os.times()
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(command)}")
    own = sum(own_after[2:4]) - sum(own_before[2:4])
    others = max(0.0, busy() - before - own) / max(1e-9, own_after[4] - own_before[4])
    for text in done.stdout.splitlines():
        if text.startswith("{"):
            lines.append(dict(json.loads(text), repetition=repetition, others=round(others, 2)))
            print(json.dumps(lines[-1]), file=sys.stderr, flush=True)


def median(lines, field, **wanted):
    found = [x[field] for x in lines if field in x and all(x.get(k) == v for k, v in wanted.items())]
    return statistics.median(found) if found else None


def collect(folder, repetitions, seconds):
    lines = []
    python = [sys.executable, os.path.join(HERE, "hire_peer.py"), "--dump", os.path.join(folder, "step.safetensors")]
    for repetition in range(repetitions):
        for threads in ("2", "1"):
            for case in HIRE:
                run(lines, repetition, f"{folder}/hire_bench", threads, seconds, case)
                for tuned in ("1", "0"):
                    options = ["--threads", threads, "--seconds", seconds, "--case", case, "--tuned", tuned]
                    run(lines, repetition, *python, *options)
            run(lines, repetition, f"{folder}/hire_bench", threads, seconds, "score one user")
        run(lines, repetition, f"{folder}/mlp_bench", "1")
        if os.path.exists(f"{folder}/mlp_libtorch"):
            run(lines, repetition, f"{folder}/mlp_libtorch", "1")
    return lines


def number(ms):
    return "" if ms is None else f"{ms:.3g}" if ms < 100 else f"{ms:.0f}"


def table(lines):
    print("| case | threads | thaw, ms | share of peak | PyTorch tuned, ms | as it comes, ms | tuned / thaw |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for case in HIRE + ["score one user"]:
        for threads in (2, 1):
            ours = median(lines, "ms", case=case, threads=threads, side="thaw")
            # A peer has no shorter way to one user's ratings: it scores the whole context.
            theirs = "score one context" if case == "score one user" else case
            tuned = median(lines, "ms", case=theirs, threads=threads, side="PyTorch")
            stock = median(lines, "ms", case=theirs, threads=threads, side="PyTorch as it comes")
            share = median(lines, "share_of_peak", case=case, threads=threads, side="thaw")
            cells = [NAMES[case], str(threads), number(ours), f"{100 * share:.0f} %" if share else ""]
            print("| " + " | ".join(cells + [number(tuned), number(stock), f"{tuned / ours:.2f}x"]) + " |")
    ours = median(lines, "ms", case="mlp sgd step", side="thaw")
    torch = median(lines, "ms", case="mlp sgd step", side="libtorch")
    portable = median(lines, "ms", case="mlp sgd step", side="thaw portable")
    print(f"\n{NAMES['mlp sgd step']}: thaw {1e3 * ours:.2f} us, its portable backend {1e3 * portable:.1f} us", end="")
    print(f", libtorch {1e3 * torch:.1f} us: {torch / ours:.1f}x" if torch else "")
    peak = median(lines, "gflop_per_s_of_a_thread", case="peak")
    others = max(x["others"] for x in lines)
    print(f"\nPeak of a thread {peak:.0f} GFLOP/s; other programs took at most {others:.2f} processors meanwhile.")


if __name__ == "__main__":
    folder = sys.argv[1]
    lines = collect(folder, int(sys.argv[2]), sys.argv[3])
    with open(os.path.join(folder, "lines.json"), "w") as file:
        json.dump(lines, file, indent=1)
    table(lines)
