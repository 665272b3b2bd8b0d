#!/usr/bin/env python3
"""Checks that the program in README.md is examples/quickstart/main.cpp, word for word.

usage: readme_example.py <root of the repository>
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
program = (root / "examples" / "quickstart" / "main.cpp").read_text(encoding="utf-8")
blocks = re.findall(r"^```cpp[ \t]*\n(.*?)^```", (root / "README.md").read_text(encoding="utf-8"), re.S | re.M)
same = program in blocks
print("readme example: the same as examples/quickstart/main.cpp" if same else
      f"README.md: none of its {len(blocks)} C++ blocks is examples/quickstart/main.cpp; copy the file into the block")
sys.exit(0 if same else 1)
