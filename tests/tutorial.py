#!/usr/bin/env python3
"""The tutorial of CONTRIBUTING.md ("The first one in full"), done as it says, in a copy of the tree.

The text is the only place that knows what is written where: this takes the file, the line, the function, the row, the
scenario and the command out of it, applies them to a copy, and runs the command there. The copy has the objects of the
build folder, so that make compiles what the tutorial changes and nothing else.

    tests/tutorial.py [--text FILE]     FILE in place of CONTRIBUTING.md; BUILD is the build folder

Ends with 0 where the scenario passed, with 77 where it was skipped, and with 1 and a line that says why where the text
doesn't lead to a scenario that passes.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / os.environ.get("BUILD", "build")
STEPS = re.compile(
    r"^The first one in full: .*?"
    r"In (?P<source>\S+), above `(?P<above>[^`]+)`,\s+write\n\n(?P<function>(?:    .*\n|\n)+)\n?"
    r"add\s+the\s+row\s+`(?P<row>[^`]+)`\s+to\s+`(?P<table>[^`]+)`,\s+and\s+the\s+scenario\s+(?P<scenario>\S+):\n\n"
    r"(?P<script>(?:    .*\n|\n)+)\n?"
    r"Then\s+run\s+`(?P<command>[^`]+)`", re.M | re.S)
# What make needs to see that nothing but the tutorial's file has changed. Programs and archives are made anew.
BUILT = ("checked", "nvcc-compiler", "obj", "sim")


class Wrong(Exception):
    """Says in one line where the text leads nowhere."""


def steps_of(text):
    found = STEPS.search(text)
    if not found:
        raise Wrong("the text has no tutorial of this form any more: see STEPS in tests/tutorial.py")
    steps = found.groupdict()
    for name in ("function", "script"):
        steps[name] = re.sub(r"^    ", "", steps[name], flags=re.M).rstrip("\n") + "\n"
    return steps


def copy_tree(target):
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True,
                            text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    if (ROOT / ".cuda").is_dir():  # the header of the driver's API, where `make deps` has put it
        (target / ".cuda").symlink_to(ROOT / ".cuda")
    (target / "build").mkdir()
    for name in BUILT:
        if (BUILD / name).is_dir():
            shutil.copytree(BUILD / name, target / "build" / name, symlinks=True,
                            ignore=lambda folder, _: ["tests"] if pathlib.Path(folder) == BUILD / "obj" else [])
        elif (BUILD / name).exists():
            shutil.copy2(BUILD / name, target / "build" / name)


def apply(steps, tree):
    source = tree / steps["source"]
    if not source.is_file():
        raise Wrong(f"there is no {steps['source']}")
    text = source.read_text()
    above = re.search(rf"^{re.escape(steps['above'])}", text, re.M)
    if not above:
        raise Wrong(f"{steps['source']} has no line that begins with `{steps['above']}`")
    text = text[:above.start()] + steps["function"] + "\n" + text[above.start():]
    table = re.search(rf"\b{re.escape(steps['table'])}\[\] = {{\n", text)
    if not table:
        raise Wrong(f"{steps['source']} has no table {steps['table']}")
    source.write_text(text[:table.end()] + "    " + steps["row"] + "\n" + text[table.end():])
    scenario = tree / steps["scenario"]
    if scenario.exists():
        raise Wrong(f"{steps['scenario']} is there already")
    if not scenario.parent.is_dir():
        raise Wrong(f"there is no folder for {steps['scenario']}")
    scenario.write_text(steps["script"])


def run(steps, tree):
    env = {name: value for name, value in os.environ.items()
           if name not in ("BUILD", "SANITIZE", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["bash", "-c", steps["command"]], cwd=tree, env=env, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    compiled = len(re.findall(r" -c \S+\.cpp ", done.stdout))
    print(f"`{steps['command']}`: {done.returncode}, {compiled} sources compiled")
    if done.returncode != 0:
        raise Wrong("the command failed:\n" + "\n".join(done.stdout.splitlines()[-30:]))
    name = pathlib.PurePath(steps["scenario"]).stem
    if re.search(rf"^skip  .*\b{re.escape(name)} ", done.stdout, re.M):
        return 77
    if not re.search(rf"^ok    .*\b{re.escape(name)} ", done.stdout, re.M):
        raise Wrong(f"the command didn't run {steps['scenario']}")
    return 0


def main():
    parser = argparse.ArgumentParser(description="Does what CONTRIBUTING.md's tutorial says, in a copy of the tree.")
    parser.add_argument("--text", type=pathlib.Path, default=ROOT / "CONTRIBUTING.md")
    arguments = parser.parse_args()
    try:
        steps = steps_of(arguments.text.read_text())
        with tempfile.TemporaryDirectory(prefix="gmemfs-tutorial-") as folder:
            tree = pathlib.Path(folder) / "tree"
            copy_tree(tree)
            apply(steps, tree)
            return run(steps, tree)
    except Wrong as wrong:
        print(f"{arguments.text.name}: {wrong}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
