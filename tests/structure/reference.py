"""The reference: what the headers themselves say, one page a folder, as Markdown.

A header's first comment says what it is, shows one example and says what it is not; then come its public names, each
with the comment above it. Kernels and namespace detail are nobody's interface and left out.
"""
import re

DECLARATION = re.compile(r"^(template|struct|class|enum|inline|constexpr|using|requires|concept|[A-Za-z_][\w:<>,&* ]*\()")
SKIPPED = re.compile(r"^(namespace|#|THAW_|static_assert|friend|extern|\}|\{)")


def public_headers(root):
    library = root / "include" / "thaw"
    return [h for h in sorted(library.rglob("*.hpp")) if "kernels" not in h.relative_to(library).parts]


def first_comment(lines):
    comment = []
    for line in lines:
        if not line.startswith("//"):
            break
        comment.append(line[3:] if line.startswith("// ") else line[2:])
    return comment


def as_markdown(comment):
    """Comment lines as Markdown: lines set in by two blanks or more are code."""
    text, code = [], False
    for line in comment:
        if line.startswith("  ") != code and (line.strip() or not code):
            if code and text and not text[-1].strip():
                text.pop()
            text.append("```" if not code else "```\n")
            code = not code
        text.append(line[2:] if code else line)
    return text + ["```"] if code else text


def statement(lines, at):
    """The declaration that starts at line `at`, without what it does: (text, next line)."""
    text, first = [], lines[at]
    indent = len(first) - len(first.lstrip())
    while at < len(lines):
        line = lines[at].rstrip()
        at += 1
        end = re.search(r"\s*\{[^{}]*$|\s*\{.*\}\s*(//.*)?$|;\s*(//.*)?$", line)
        body = end and "{" in end.group(0)
        text.append(line[:end.start()] + ";" if body else line)
        if end:
            if body and not re.search(r"\}\s*(//.*)?$", line):
                while at < len(lines) and not (lines[at].startswith(" " * indent + "}") or lines[at].startswith("}")):
                    at += 1
                at += 1
            break
    starts = [i for i, line in enumerate(text) if re.match(r"\s+: \w", line)]  # how a constructor sets its members
    if starts:
        text = text[:starts[0]]
        text[-1] += ";"
    return text, at


def members(lines, at):
    """The public members of the class whose body starts at line `at`: (text, next line)."""
    text = []
    while at < len(lines) and not lines[at].startswith("}"):
        line = lines[at]
        if re.match(r" (private|protected):", line):
            while at < len(lines) and not lines[at].startswith("}"):
                at += 1
            break
        if re.match(r" {2}[^\s}]", line) and not line.startswith("  //"):
            part, at = statement(lines, at)
            text += part
            continue
        if line.startswith("  //"):
            text.append(line)
        at += 1
    return text, at + 1


def names_of(lines):
    """(comment, declaration) of every public name at namespace scope."""
    at, comment = 0, []
    while at < len(lines):
        line = lines[at]
        if re.match(r"namespace (\w+::)*detail\b", line):
            while at < len(lines) and not re.match(r"\}\s*// namespace (\w+::)*detail", lines[at]):
                at += 1
            comment = []
        elif line.startswith("//"):
            comment.append(line[3:] if line.startswith("// ") else line[2:])
        elif DECLARATION.match(line) and not SKIPPED.match(line):
            start = at
            while at < len(lines) and not re.match(r"^(?!template|requires)", lines[at]):
                at += 1
            if re.match(r"(struct|class)\b.*\{\s*$", lines[at]):
                text = lines[start:at] + [re.sub(r"\s*\{\s*$", " {", lines[at])]
                body, at = members(lines, at + 1)
                yield comment, text + body + ["};"]
            elif re.match(r"enum\b.*\{\s*$", lines[at]):
                end = next(i for i in range(at, len(lines)) if lines[i].startswith("}"))
                yield comment, lines[start:end + 1]
                at = end + 1
            else:
                before = lines[start:at]
                text, at = statement(lines, at)
                yield comment, before + text
            comment = []
            continue
        else:
            comment = []
        at += 1


def pages(root):
    """{file name: Markdown} and the headers that do not say what they are."""
    library = root / "include" / "thaw"
    result, silent = {}, []
    for header in public_headers(root):
        name = header.relative_to(library)
        lines = header.read_text(encoding="utf-8").splitlines()
        comment = first_comment(lines)
        if len(" ".join(comment).split()) < 5:
            silent.append(name.as_posix())
        folder = name.parts[0] if len(name.parts) > 1 else "thaw"
        text = result.setdefault(f"{folder}.md", [f"# Reference: {folder}", ""])
        text += [f"## {name.as_posix()}", "", *as_markdown(comment), ""]
        for said, declaration in names_of(lines[len(comment):]):
            text += ["```cpp", *declaration, "```", *as_markdown(said), ""]
    index = ["# Reference", "", "Written from the comments of the headers by `./dev docs`.", ""]
    index += [f"- [{name[:-3]}]({name})" for name in sorted(result)]
    result["index.md"] = index
    return {name: "\n".join(text) + "\n" for name, text in result.items()}, silent
