#!/usr/bin/env python3
"""Compiles the C++ of the documentation, so that it cannot fall behind the library.

usage: snippets.py <root of the repository> <compiler>

Every ```cpp block is compiled as a program when it has a main, otherwise inside a function after the includes of thaw.
A block that starts with ```cpp fragment is left out: it shows a shape, not a program.
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys

BLOCK = re.compile(r"^```cpp[ \t]*\n(.*?)^```", re.S | re.M)


def program(code):
    if re.search(r"\bint main\s*\(", code):
        return code
    lines = code.split("\n")
    includes = [line for line in lines if re.match(r"\s*#", line)]
    rest = [line for line in lines if not re.match(r"\s*#", line)]
    declares = re.search(r"^(template|struct|class|namespace|inline|constexpr|static)\b", "\n".join(rest), re.M)
    before = ["#include <thaw/thaw.hpp>", *includes]
    return "\n".join(before + (rest if declares else ["inline void snippet() {", *rest, "}"]))


def compile_one(root, compiler, where, code):
    done = subprocess.run([compiler, "-std=c++20", "-fsyntax-only", "-fopenmp", "-Wno-unused-variable", f"-I{root}/include",
                           f"-I{root}/examples", "-isystem", "/usr/include/eigen3", "-x", "c++", "-"],
                          input=program(code), capture_output=True, text=True)
    errors = [line for line in done.stderr.split("\n") if "error" in line][:3]
    return None if done.returncode == 0 else f"{where}: does not compile\n  " + "\n  ".join(errors)


def main():
    root, compiler = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md")), *sorted((root / "examples").rglob("*.md"))]
    jobs = []
    for page in pages:
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            jobs.append((f"{page.relative_to(root)}:{line}", match.group(1)))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        problems = [p for p in pool.map(lambda job: compile_one(root, compiler, *job), jobs) if p]
    for problem in problems:
        print(problem)
    print(f"snippets: {len(jobs)} compiled, {len(problems)} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
