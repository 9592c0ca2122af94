#!/usr/bin/env python3
"""The rooms of the source: what each folder holds, by the first line of each unit, and the circles between units.

A unit is a header and the source that implements it (NAME.hpp, NAME.cpp); a public header (.h) and a kernel (.cu, .cuh)
are units of their own. A unit uses another one when it includes its header, or names one of its types by a forward
declaration. A circle is units that use each other, by whatever way round: none can be read or tested without the rest.

    tests/rooms.py             the table of contents
    tests/rooms.py --figures   files, median and longest of each top folder, and the circles
"""
import argparse
import pathlib
import re
import statistics
import subprocess

TOPS = ("vmm", "ecc", "fuse", "client", "block", "pool", "tools")
SUFFIXES = {".hpp", ".cpp", ".h", ".cu", ".cuh"}
DEFINED = re.compile(r"^(?:class|struct)(?: [A-Z_]+\([^)\n]*\))? (\w+)(?: final)?\s*(?::[^;{]*)?\{", re.M)
DECLARED = re.compile(r"^(?:class|struct) (\w+);", re.M)
INCLUDED = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def unit_of(name):
    path = pathlib.PurePath(name)
    return str(path.with_suffix("")) if path.suffix in {".hpp", ".cpp"} else name


def uses_of(texts):
    """Of each unit, those that it uses, and how: {unit: {unit: text}}. `texts` is {file: text}."""
    texts = {name: text for name, text in texts.items()
             if name.split("/")[0] in TOPS and pathlib.PurePath(name).suffix in SUFFIXES}
    homes = {}
    for name, text in texts.items():
        if not name.endswith(".cpp"):
            for match in DEFINED.finditer(text):
                homes.setdefault(match.group(1), set()).add(unit_of(name))
    uses = {unit_of(name): {} for name in texts}
    for name, text in texts.items():
        own = uses[unit_of(name)]
        for match in INCLUDED.finditer(text):
            if match.group(1) in texts and unit_of(match.group(1)) != unit_of(name):
                own[unit_of(match.group(1))] = f"{name} includes {match.group(1)}"
        for match in DECLARED.finditer(text):
            for home in homes.get(match.group(1), ()):
                if home != unit_of(name):
                    own.setdefault(home, f"{name} declares {match.group(1)} of {home}")
    return uses


def circles(texts):
    """A list of circles, each a list of lines that say who uses whom."""
    uses = uses_of(texts)
    reached = {}  # unit: all that it uses, directly or not

    def reach(start):
        seen, waiting = set(), [start]
        while waiting:
            for other in uses[waiting.pop()]:
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return seen

    for unit in uses:
        reached[unit] = reach(unit)
    found = []
    left = {unit for unit in uses if unit in reached[unit]}
    while left:
        first = min(left)
        circle = {unit for unit in left if first in reached[unit] and unit in reached[first]}
        left -= circle
        found.append([how for unit in sorted(circle) for other, how in sorted(uses[unit].items()) if other in circle])
    return found


def first_line(text):
    return re.sub(r"^(//|/\*|#) ?", "", text.split("\n", 1)[0])


def sources():
    listed = subprocess.run(["git", "ls-files", *TOPS], capture_output=True, text=True, check=True).stdout.split("\n")
    return {name: pathlib.Path(name).read_text(errors="replace") for name in listed
            if pathlib.PurePath(name).suffix in SUFFIXES and pathlib.Path(name).is_file()}


def show_contents(texts):
    units = {}
    for name, text in sorted(texts.items()):
        says = first_line(text) if first_line(text)[:1].isalpha() and not text.startswith("#") else ""
        units.setdefault(str(pathlib.PurePath(name).parent), {}).setdefault(unit_of(name), []).append((name, says))
    for folder, inside in units.items():
        print(f"\n{folder}/")
        for unit, files in inside.items():
            suffixes = ", ".join(sorted(pathlib.PurePath(name).suffix for name, _ in files))
            says = next((text for _, text in sorted(files, key=lambda file: file[0].endswith(".cpp")) if text), "")
            print(f"    {pathlib.PurePath(unit).stem:<24}{says}" + ("" if says else f"({suffixes})"))


def show_figures(texts):
    print(f"{'folder':<10}{'files':>6}{'lines':>8}{'median':>8}{'longest':>9}")
    for top in (*TOPS, "all"):
        lengths = {name: text.count("\n") for name, text in texts.items() if top in (name.split("/")[0], "all")}
        longest = max(lengths, key=lengths.get)
        print(f"{top:<10}{len(lengths):>6}{sum(lengths.values()):>8}{statistics.median(lengths.values()):>8.0f}"
              f"{lengths[longest]:>9}  {longest}")
    found = circles(texts)
    print(f"{len(found)} circles between {len(uses_of(texts))} units")
    for circle in found:
        print("    " + "\n    ".join(circle))


def main():
    parser = argparse.ArgumentParser(description="What each folder of the source holds.")
    parser.add_argument("--figures", action="store_true", help="sizes, and circles between units")
    arguments = parser.parse_args()
    (show_figures if arguments.figures else show_contents)(sources())


if __name__ == "__main__":
    main()
