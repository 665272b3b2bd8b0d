"""One table from what the suite, the sanitizer and the timings of a GPU wrote.

    python3 bench/peers/cuda_table.py build/cuda/results
"""
import json
import pathlib
import sys


def lines(path):
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    found = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
    return found


def last(path):
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except FileNotFoundError:
        return "not run"
    return text[-1] if text else "no output"


def main():
    folder = pathlib.Path(sys.argv[1])
    for name in ("device", "suite", "memcheck", "racecheck", "initcheck", "thaw_hire_demo", "thaw_meta_train"):
        status = folder / f"{name}.status"
        code = status.read_text().strip() if status.exists() else "-"
        print(f"{name:<16} exit {code:>3}  {last(folder / f'{name}.log')[:110]}")
    ours = lines(folder / "bench.log")
    peers = {}
    for line in lines(folder / "peer.log"):
        peers.setdefault(line["case"], []).append(line)
    if ours:
        print(f"\n{'case':<52} {'thaw ms':>9} {'GB/s':>7} {'GFLOP/s':>8} {'a second':>9} {'PyTorch ms':>10} {'compiled':>9} {'ratio':>6}")
    for line in ours:
        if "ms" not in line:
            continue
        work = line["case"].replace(", one graph", "")
        times = {p["side"]: p["ms"] for p in peers.get(work, []) if "ms" in p}
        eager, compiled = times.get("pytorch"), times.get("pytorch compiled")
        best = min(times.values()) if times else None
        show = lambda x, form: format(x, form) if x is not None else "-"
        print(f"{line['case']:<52} {line['ms']:>9.3f} {show(line.get('gb_per_s'), '7.0f'):>7} "
              f"{show(line.get('gflop_per_s'), '8.0f'):>8} {show(line.get('per_s'), '9.4g'):>9} {show(eager, '10.3f'):>10} {show(compiled, '9.3f'):>9} "
              f"{show(best / line['ms'] if best else None, '6.2f'):>6}")
    for case, entries in peers.items():
        for p in entries:
            if "skipped" in p:
                print(f"not timed: {case}, {p['side']}: {p['skipped']}")
    if ours:
        print("a second: samples, users or tokens")
        print("ratio: the faster of PyTorch's two times over ours; above 1 we are faster")


main()
