#!/usr/bin/env python3
"""House rules that a compiler does not check: sizes, names, and what the library never uses.

usage: source_rules.py <root of the repository>
"""
import pathlib
import re
import sys

MAX_FILE_LINES = 700
MAX_FUNCTION_LINES = 80

# (pattern, why), for code under include/ with comments and strings taken out.
LIBRARY_RULES = [
    (r"#\s*include\s*<(iostream|ostream|istream|sstream|fstream|iomanip|regex|locale|any)>",
     "streams, regex and locale cost every user start-up time and flash"),
    (r"#\s*include\s*<nlohmann/", "the library has no JSON dependency"),
    (r"\bcatch\s*\(", "the library never catches"),
    (r"\bdynamic_cast\b|\btypeid\b", "the library works without run-time types"),
    (r"\bthread_local\b", "no state that belongs to a thread"),
    (r"\bomp_set_\w+|\bsetNbThreads\b", "a setting of the whole process; it belongs to the program"),
    (r"\bstd::(min|max)\s*\(", "write (std::min)(...): some users define min and max as macros"),
    (r"#\s*undef\s+(?!THAW_)\w+", "a macro of the user's"),
    (r"#\s*define\s+(?!THAW_)\w+", "a macro without the prefix THAW_"),
    (r"\busing namespace\b", "leaks names into the user's program"),
    (r"-ffast-math|\bfast-math\b|__FAST_MATH__\s*1", "fast-math escapes into the whole program"),
]
THROW_HOME = "include/thaw/core/error.hpp"

# For the whole text, comments included.
PAPERS = re.compile(r"\b(HIRE|HyperRS|MWUF|ELMRec)\b")
TEXT_RULES = [
    (re.compile(r"\b(TODO|FIXME|XXX)\b"), "finish it, or describe the limit in the documentation"),
    (re.compile(r"(?<![\w.$}])/(home|root|work|Users)/\w"), "a path of one machine"),
]
FUNCTION_START = re.compile(r"^(\s*)(?!(namespace|class|struct|enum|union|extern|if|for|while|switch|else|do|case|"
                            r"TEST_SUITE)\b)\S.*[)\w]\s*(const|noexcept|override)*\s*\{$")


def code_only(text):
    """The text without comments and string contents, lines kept."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|\'(?:\\.|[^\'\\\n])\'|"(?:\\.|[^"\\\n])*"', re.S)

    def blank(match):
        token = match.group(0)
        return ('""' if token[0] in "\"R'" else "") + "\n" * token.count("\n")

    include = re.compile(r'^\s*#\s*include[^\n]*', re.M)
    kept = include.sub(lambda m: m.group(0).replace('"', "'"), text)
    return pattern.sub(blank, kept)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def long_functions(lines):
    """(line, size) of the functions that do not fit on a screen."""
    for start, line in enumerate(lines):
        if not FUNCTION_START.match(line) or "(" not in "".join(lines[max(0, start - 6):start + 1]):
            continue
        depth, end = 1, start
        while depth > 0 and end + 1 < len(lines):
            end += 1
            depth += lines[end].count("{") - lines[end].count("}")
        if end - start + 1 > MAX_FUNCTION_LINES:
            yield start + 1, end - start + 1


def check(root, path):
    name = path.relative_to(root).as_posix()
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if len(lines) > MAX_FILE_LINES:
        yield f"{name}: {len(lines)} lines, at most {MAX_FILE_LINES}"
    for rule, why in TEXT_RULES:
        for match in rule.finditer(text):
            yield f"{name}:{line_of(text, match.start())}: '{match.group(0)}': {why}"
    if path.suffix not in (".hpp", ".cpp", ".cuh", ".inc"):
        return
    code = code_only(text)
    for line, size in long_functions(code.splitlines()):
        yield f"{name}:{line}: a function of {size} lines, at most {MAX_FUNCTION_LINES}"
    if not name.startswith("include/"):
        return
    for match in PAPERS.finditer(text):
        yield f"{name}:{line_of(text, match.start())}: the name of a paper; name the part after what it computes"
    for rule, why in LIBRARY_RULES:
        for match in re.finditer(rule, code):
            yield f"{name}:{line_of(code, match.start())}: '{match.group(0)}': {why}"
    if name != THROW_HOME:
        for match in re.finditer(r"\bthrow\b", code):
            yield f"{name}:{line_of(code, match.start())}: the library never throws"
    if name.endswith(".hpp"):
        # Kernels are included once for each instruction set, inside a namespace of its own.
        if "#pragma once" not in text and "/kernels/" not in name:
            yield f"{name}: no #pragma once"
        if not text.startswith("//"):
            yield f"{name}: the first comment says what the header is, one example, and what it is not"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    problems = []
    files = [p for folder in ("include", "tests", "examples", "bench", "cmake", "docs")
             for p in sorted((root / folder).rglob("*")) if p.is_file()]
    files += [p for p in (root / "README.md", root / "CONTRIBUTING.md", root / "CHANGELOG.md", root / "CMakeLists.txt")
              if p.exists()]
    checked = 0
    for path in files:
        if path.suffix not in (".hpp", ".cpp", ".cuh", ".inc", ".py", ".sh", ".md", ".cmake", ".txt", ".in") or (
                path.resolve() == pathlib.Path(__file__).resolve()):
            continue
        if path.suffix == ".txt" and path.name != "CMakeLists.txt":
            continue  # golden numbers
        checked += 1
        problems += check(root, path)
    for problem in problems:
        print(problem)
    print(f"source rules: {checked} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
