#!/usr/bin/env python3
"""Checks the documentation and writes it as HTML.

usage: docs.py <root of the repository> [<folder for the HTML>]

Every relative link in README, CONTRIBUTING, docs and the examples' READMEs must lead to a file, and its #part to a
heading. The reference is written from the headers, each of which must say what it is (reference.py).
"""
import html
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import reference  # noqa: E402

LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
STYLE = """<style>body{max-width:50rem;margin:2rem auto;padding:0 1rem;font:16px/1.5 sans-serif}
pre{background:#8881;padding:.7rem;overflow-x:auto}code{font-size:.9em}
table{border-collapse:collapse}td,th{border:1px solid #8886;padding:.2rem .6rem}</style>"""


def without_code(text):
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(text):
    """The names that a web view gives to headings."""
    found = set()
    for heading in re.findall(r"^#+\s+(.*?)\s*#*$", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), flags=re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower())))
    return found


def check_links(root, pages):
    for page in pages:
        for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, part = target.partition("#")
            file = (page.parent / name) if name else page
            where = page.relative_to(root)
            if not file.exists():
                yield f"{where}: the link to {target} leads nowhere"
            elif part and file.suffix == ".md" and part not in anchors(file.read_text(encoding="utf-8")):
                yield f"{where}: {name or 'this page'} has no heading #{part}"


def convert_tables(text):
    """cmark has no tables: turns the usual kind into HTML."""
    def table(match):
        rows = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in match.group(0).strip().split("\n")]
        cell = lambda c: re.sub(r"`([^`]*)`", lambda m: f"<code>{m.group(1)}</code>", html.escape(c.strip()))
        cell_links = lambda c: re.sub(r"\[([^\]]*)\]\(([^)]*)\)", r'<a href="\2">\1</a>', cell(c))
        lines = ["<tr>" + "".join(f"<{tag}>{cell_links(c)}</{tag}>" for c in row) + "</tr>"
                 for tag, row in [("th", rows[0])] + [("td", row) for row in rows[2:]]]
        return "<table>\n" + "\n".join(lines) + "\n</table>\n"

    parts = re.split(r"(^```.*?^```)", text, flags=re.S | re.M)
    pattern = re.compile(r"(?:^\|.*\n)(?:^\|[\s:|-]+\n)(?:^\|.*(?:\n|\Z))*", re.M)
    return "".join(p if p.startswith("```") else pattern.sub(table, p) for p in parts)


def write_html(texts, folder):
    """texts: {page below the folder, ending in .md: its Markdown}"""
    for page, text in texts.items():
        text = convert_tables(text)
        body = subprocess.run(["cmark", "--unsafe"], input=text, capture_output=True, text=True, check=True).stdout
        body = re.sub(r'href="([^":]*)\.md(["#])', r'href="\1.html\2', body)
        body = re.sub(r"<(h\d)>(.*?)</\1>", lambda m: '<{0} id="{1}">{2}</{0}>'.format(
            m.group(1), re.sub(r"\s", "-", re.sub(r"<[^>]*>|[^\w\s-]", "", m.group(2).lower())), m.group(2)), body)
        out = folder / page.with_suffix(".html")
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(f'<!doctype html><meta charset="utf-8"><title>{page.stem}</title>{STYLE}\n{body}', encoding="utf-8")
    print(f"docs: {len(texts)} pages in {folder}, the reference from {folder / 'reference' / 'index.html'} on")


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    pages = [page for page in (root / "README.md", root / "CONTRIBUTING.md", root / "CHANGELOG.md") if page.exists()]
    pages += sorted((root / "docs").rglob("*.md")) + sorted((root / "examples").rglob("*.md"))
    headers, silent = reference.pages(root)
    problems = list(check_links(root, pages)) + [f"{name} does not say what it is" for name in silent]
    for problem in problems:
        print(problem)
    print(f"docs: {len(pages)} pages checked, {len(problems)} problems")
    if len(sys.argv) > 2 and shutil.which("cmark"):
        texts = {page.relative_to(root): page.read_text(encoding="utf-8") for page in pages}
        texts.update({pathlib.Path("reference") / name: text for name, text in headers.items()})
        write_html(texts, pathlib.Path(sys.argv[2]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
