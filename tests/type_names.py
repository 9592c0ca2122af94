"""Type names: two types of one name in one namespace, in whatever two files, are one to the linker.

It then keeps one copy of each inline function of theirs, and the program does with one type what was compiled for the
other: where the compiler inlines them it works, and in a build that doesn't it crashes.
"""
import collections
import re

COMMENTS_AND_TEXTS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
TOKENS = re.compile(r"\bnamespace\b\s*([\w:]*)\s*\{"
                    r"|\b(?:enum\s+class|enum|struct|class|union)\s+(?:[A-Z_]+(?:\([^)]*\))?\s+)?(\w+)\s*(?:final\s*)?"
                    r"(?::(?!:)[^;{}()]*)?\{"
                    r"|[{}]")
PUBLIC = "client/lib/gmemfs.hpp"  # what other programs include, and none of ours


def types_in(text):
    """Those that other files can see, with their namespaces, of a source; each once for each definition."""
    stack = []  # (what was opened, its name)
    for token in TOKENS.finditer(COMMENTS_AND_TEXTS.sub(" ", text)):
        if token[0] == "}":
            if stack:
                stack.pop()
            continue
        is_namespace = token[0].startswith("namespace")
        name = token[1] if is_namespace else token[2]
        if name and not is_namespace and all(what == "namespace" and inner for what, inner in stack):
            yield "::".join([inner for _, inner in stack] + [name])
        stack.append(("namespace" if is_namespace else "block", name))


def clashes(sources):
    """`sources`: (path, text) pairs. A line for each name that two files define."""
    files = collections.defaultdict(set)
    for path, text in sources:
        for name in types_in(text):
            if "::" in name:
                files[name].add(str(path))
    for name, paths in sorted(files.items()):
        if len(paths) > 1:
            first, second, *_ = sorted(paths)
            yield f"{second}: {name} is {first}'s already: two types of one name are one to the linker"
