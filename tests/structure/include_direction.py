#!/usr/bin/env python3
"""Checks that an include only ever points down the layers, and what infer.hpp may reach.

usage: include_direction.py <root of the repository> [--closure <compiler>]

--closure also asks the compiler for everything that infer.hpp reaches, standard headers included.
"""
import pathlib
import re
import subprocess
import sys

# What each folder may include directly; what these may include, it may too.
DOWN = {
    "core": [],
    "decode": ["core"],
    "backend": ["core"],
    "ops": ["backend"],
    "graph": ["ops"],
    "nn": ["ops"],
    "autodiff": ["ops"],
    "optim": ["autodiff", "nn"],
    "distributed": ["optim"],
    "meta": ["autodiff", "nn"],
    "file": ["nn", "core"],
    "data": ["graph", "core"],
    "eval": ["graph", "core"],
    "baselines": ["graph", "ops"],
    "train": ["optim", "distributed", "meta", "file", "data", "eval"],
}
EVERYWHERE = {"version.hpp", "fwd.hpp"}
INFER_FORBIDDEN = ["autodiff", "optim", "distributed", "meta", "train", "data", "eval"]
INFER_FORBIDDEN_STD = ["iostream", "ostream", "istream", "string", "vector", "functional", "memory"]
EIGEN_HOME = "backend/kernels/eigen_product.hpp"

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def reachable(folder):
    seen, todo = {folder}, [folder]
    while todo:
        for lower in DOWN.get(todo.pop(), []):
            if lower not in seen:
                seen.add(lower)
                todo.append(lower)
    return seen


def includes(path):
    """(line, target) of every include in a file; comments are taken out first, so that examples do not count."""
    text = re.sub(r"//[^\n]*", "", path.read_text(encoding="utf-8"))
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start(2)) + 1, match.group(2)


def check_directions(library):
    for path in sorted(library.rglob("*")):
        if path.suffix not in (".hpp", ".cuh", ".inc", ".h"):
            continue
        name = path.relative_to(library).as_posix()
        folder = name.split("/")[0] if "/" in name else None
        if folder and folder not in DOWN:
            yield f"include/thaw/{name}: folder '{folder}' is not one of the layers; add it to {sys.argv[0]}"
            continue
        for line, target in includes(path):
            where = f"include/thaw/{name}:{line}"
            if target.startswith(("Eigen/", "unsupported/Eigen")) and name != EIGEN_HOME:
                yield f"{where}: only {EIGEN_HOME} includes Eigen"
            local = target.removeprefix("thaw/")
            if not target.startswith("thaw/"):
                if not target.endswith(".inc") and ((path.parent / target).exists() or (library / target).exists()):
                    yield f'{where}: write "thaw/..." in full instead of "{target}"'
                continue
            if not (library / local).exists():
                yield f"{where}: thaw/{local} does not exist"
            elif folder and local not in EVERYWHERE:
                if "/" not in local:
                    yield f"{where}: a header of a layer includes the umbrella thaw/{local}"
                elif local.split("/")[0] not in reachable(folder):
                    yield (f"{where}: {folder}/ may not include {local.split('/')[0]}/; "
                           f"it may include {', '.join(sorted(reachable(folder)))}")


def check_closure(library, compiler):
    """Everything that the compiler opens for infer.hpp."""
    infer = library / "infer.hpp"
    if not infer.exists():
        yield "include/thaw/infer.hpp is missing"
        return
    done = subprocess.run([compiler, "-std=c++20", "-M", f"-I{library.parent}", str(infer)],
                          capture_output=True, text=True)
    if done.returncode != 0:
        yield f"{compiler} -M infer.hpp failed:\n{done.stderr}"
        return
    files = [pathlib.PurePath(f) for f in done.stdout.replace("\\\n", " ").split(":", 1)[1].split()]
    for file in files:
        if "Eigen" in file.parts:
            yield f"infer.hpp reaches Eigen: {file}"
        elif file.parent.name in INFER_FORBIDDEN and file.parent.parent.name == "thaw":
            yield f"infer.hpp reaches {file.parent.name}/{file.name}"
        elif file.name in INFER_FORBIDDEN_STD and (file.parent.name == "v1" or file.parent.parent.name == "c++"):
            yield f"infer.hpp reaches <{file.name}>"


def main():
    library = pathlib.Path(sys.argv[1]) / "include" / "thaw"
    problems = list(check_directions(library))
    if "--closure" in sys.argv:
        problems += check_closure(library, sys.argv[sys.argv.index("--closure") + 1])
    for problem in problems:
        print(problem)
    print(f"include direction: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
