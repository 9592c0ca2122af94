#!/usr/bin/env python3
# tidy: what a reviewer shouldn't have to say: layers, lengths, banned words, dead files, names in docs, checks of
# scenarios that can't fail, format.
#
#   tests/tidy.py              checks; a line for each thing found
#   tests/tidy.py --count      the same, and "N passed, N failed, N skipped" at the end: one test a rule
#   tests/tidy.py --self-test  plants a violation of each rule in a copy of the tree, and demands that it is found
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import rooms
import scenarios
import type_names

ROOT = pathlib.Path(__file__).resolve().parents[1]
CODE = {".cpp", ".hpp", ".h", ".cu", ".cuh", ".py", ".sh", ".def"}
LINES_MAX = 400
WIDTH_MAX = 120
WIDTH_MAX_SHELL = 150 # a pipeline is one line
FUNCTION_MAX = 70

# The floors, from the lowest up, and the rooms on each. A room includes itself and what UNDER says: never a room on its
# own floor or above.
BASE = {"vmm/base"}
DEVICE = {"vmm/device"} | BASE
MEMORY = {"vmm/memory"} | DEVICE
KEEPER = {"vmm/keeper"} | MEMORY
ECC = {"ecc", "ecc/parity", "ecc/digest", "ecc/nvcomp", "ecc/pack", "ecc/batch"} | MEMORY
SPACE = {"fuse/core/space"} | ECC
JOURNAL = {"fuse/core/journal"} | MEMORY
FILE = {"fuse/core/file"} | SPACE | JOURNAL
NAMES = {"fuse/core/names"} | FILE
CORE = {"fuse/core"} | NAMES
PROCESS = {"fuse/process"} | CORE
HOST = {"fuse/host", "fuse/mounts", "client/wire"} | PROCESS | KEEPER
BROKER = {"fuse/broker"} | HOST
SESSION = {"fuse/session"} | BROKER
TOOLS = {"tools/host", "client/lib/gmemfs.h", "fuse/ops"} | SESSION
PEER = {"client/wire", "client/lib"} | MEMORY
BLOCK = {"block/disk", "block/nbd", "block/ublk"} | PEER
POOL = {"pool/fit", "pool/memory"} | PEER
UNDER = {
    "vmm/base": set(),
    "vmm/sim": {"vmm/device/driver_entries.def", "vmm/device/host_kernel.h", "vmm/device/copy_batch.h",
                "vmm/device/nvml.h", "vmm/base/random.hpp"},
    "vmm/sim/nvml": {"vmm/sim", "vmm/device/nvml.h"},
    "vmm/device": BASE,
    "vmm/memory": DEVICE,
    "vmm/keeper": MEMORY,
    "ecc": BASE,
    "ecc/parity": {"ecc"} | MEMORY,
    "ecc/digest": {"ecc", "ecc/parity"} | MEMORY,
    "ecc/nvcomp": DEVICE,
    "ecc/pack": {"ecc", "ecc/parity", "ecc/nvcomp"} | MEMORY,
    "ecc/batch": {"ecc", "ecc/nvcomp", "ecc/pack/crc32c.hpp"} | MEMORY,
    "fuse/core/space": ECC,
    "fuse/core/journal": MEMORY,
    "fuse/core/file": SPACE | JOURNAL,
    "fuse/core/names": FILE,
    "fuse/core": NAMES,
    "fuse/process": CORE,
    "fuse/mounts": CORE,
    "fuse/host": HOST,
    "fuse/broker": HOST,
    "fuse/session": BROKER,
    "fuse/ops": SESSION,
    "client/wire": BASE,
    "client/lib": {"client/wire", "ecc/nvcomp", "ecc/batch"} | MEMORY,
    "block/disk": {"ecc/pack/crc32c.hpp"} | PEER,
    "block/nbd": {"block/disk"} | PEER,
    "block/ublk": {"block/disk"} | PEER,
    "block/nbdkit": {"block/disk"} | PEER,
    "block/process": BLOCK,
    "block": {"block/process"} | BLOCK,
    "pool/fit": BASE,
    "pool/memory": {"pool/fit"} | PEER,
    "pool/hook": {"pool/nvml/pool_memory.h"} | POOL,
    "pool/nvml": {"pool/memory/names.hpp", "vmm/device/nvml.h"},
    "pool/door": {"pool/memory/names.hpp"},
    "tools/host": TOOLS,
    "tools/copy": TOOLS,
    "tools/snapshot": TOOLS,
    "tools/nixl": {"tools/copy"} | TOOLS,
    "tools/remote": {"tools/copy", "tools/snapshot", "tools/nixl", "client/lib/address_range.hpp",
                     "client/lib/broker_session.hpp"} | TOOLS,
    "tools/device": TOOLS,
    "tools/block": {"block/process", "block/nbd"} | BLOCK | TOOLS,
    "tools/pool": {"pool/memory", "client/lib/pool_reader.hpp"} | TOOLS,
    "tools/doctor": {"tools/block"} | TOOLS,
    "tools/cmd": {"tools/copy", "tools/snapshot", "tools/remote", "tools/nixl", "tools/device", "tools/block",
                  "tools/doctor", "tools/pool", "block/process/setup.hpp", "pool/memory",
                  "client/lib/pool_reader.hpp"} | TOOLS,
    "tools": {"tools/cmd"} | TOOLS,
}
BANNED = [  # (pattern, what to write, where it is allowed)
    (r"\bstd::endl\b", "'\\n'", ()),
    (r"\bstd::(cout|cerr)\b", "a Result, log(), or std::printf in tools/", ("tests/",)),
    (r"\bcatch\s*\(\s*\.\.\.\s*\)", "a Result", ()),
    (r"\bgetenv\s*\(", "an option",
     ("fuse/host/options.cpp", "client/lib/devices.cpp", "ecc/batch/model_file.cpp", "ecc/nvcomp/places.cpp",
      "tools/nixl/places.cpp", "pool/door/", "pool/nvml/", "pool/hook/settings.cpp", "vmm/sim/", "tests/")),
    (r"\b(u?sleep|nanosleep|sleep_for)\s*\(", "waiting for the thing itself",
     ("vmm/sim/fault.cpp", "fuse/session/worker.cpp", "tests/")),
    (r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", "TODO(#issue)", ()),
    (r"\bmalloc\s*\(|\bfree\s*\(\s*\w+\s*\)|\bdelete\s+\w", "an owner",
     ("vmm/sim/", "pool/hook/tell.cpp", "tests/", "tools/host/command.cpp", "tools/nixl/agent.cpp")),
]
STANDARD = [  # (what is used, the header that has it)
    (r"\bstd::u?int(8|16|32|64)_t\b", "cstdint"),
    (r"\bstd::(sort|find_if|any_of|all_of|none_of|count_if|max_element|(upper|lower)_bound|clamp|fill)\b", "algorithm"),
    (r"\bstd::(memcpy|memset|memcmp|strerror|strlen|strcmp)\b", "cstring"),
    (r"\bstd::(unique_ptr|shared_ptr|make_unique|make_shared)\b", "memory"),
    (r"\bstd::(string|to_string)\b", "string"),
    (r"\bstd::(array|optional|vector|map|set|list|deque|span|tuple|atomic|thread|mutex|chrono)\b(?=<|::|\s\w)", None),
    (r"\bstd::(lock_guard|unique_lock|scoped_lock|once_flag|call_once)\b", "mutex"),
    (r"\bstd::(exchange|move|pair|swap|forward)\b", "utility"),
    (r"\bstd::jthread\b", "thread"),
    (r"\bstd::(from_chars|to_chars)\b", "charconv"),
    (r"\bstd::errc\b", "system_error"),
    (r"\bstd::function\b", "functional"),
    (r"\bstd::numeric_limits\b", "limits"),
    (r"\bstd::(getenv|strtoull?|exit|abort)\b", "cstdlib"),
    (r"\bstd::bit_cast\b", "bit"),
]
BANNED_NAMES = re.compile(r"(^|_)(util|utils|helper|helpers|common|misc|manager)(_|\.|$)")


def tracked(root):
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, capture_output=True,
                            check=True).stdout.decode()
    return sorted(name for name in listed.split("\0") if name and (root / name).is_file())


def without_comments(text):
    """C++ without comments and string contents, line for line."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"\((?:.|\n)*?\)"|"(?:\\.|[^"\\\n])*"', re.S)
    return pattern.sub(lambda match: '""' + "\n" * match.group().count("\n") if match.group()[0] in '"R'
                       else "\n" * match.group().count("\n"), text)


class Tree:
    def __init__(self, root):
        self.root = root
        self.names = tracked(root)
        self.texts = {name: (root / name).read_text(errors="replace") for name in self.names
                      if pathlib.Path(name).suffix in CODE | {".md"} or name == "Makefile"}

    def cpp(self):
        return [name for name in self.names if pathlib.Path(name).suffix in {".cpp", ".hpp", ".h", ".cu", ".cuh"}]


def layer_of(name):
    fitting = [layer for layer in UNDER if name.startswith(layer + "/")]
    return max(fitting, key=len) if fitting else None


def may_include(layer, target):
    allowed = UNDER[layer] | {layer}
    return target in allowed or layer_of(target) in allowed


def rule_layers(tree):
    """An include only points down, and is written from the root."""
    for name in tree.cpp():
        for number, line in enumerate(tree.texts[name].splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not match:
                continue
            target = match.group(1)
            if target not in tree.texts:
                yield f"{name}:{number}: \"{target}\" is no file of the tree: write it from the root"
            elif layer_of(name) and not may_include(layer_of(name), target):
                yield f"{name}:{number}: {layer_of(name)}/ may not include {target}"


def rule_standard_headers(tree):
    """A file reaches the header of the standard names that it uses: what else brings it differs by compiler."""
    memory = {}

    def reached(name):
        if name not in memory:
            memory[name] = set()  # a circle ends here
            text = tree.texts[name]
            found = set(re.findall(r"#\s*include\s+<([^>]+)>", text))
            for target in re.findall(r'#\s*include\s+"([^"]+)"', text):
                found |= reached(target) if target in tree.texts else set()
            memory[name] = found
        return memory[name]

    for name in tree.cpp():
        text = without_comments(tree.texts[name])
        for pattern, header in STANDARD:
            told = set()
            for used in re.finditer(pattern, text):
                needed = header or used.group(1)  # most are named after what they have
                if needed not in reached(name) and needed not in told:
                    told.add(needed)
                    yield f"{name}:{text[:used.start()].count(chr(10)) + 1}: {used.group()} needs <{needed}>"


def rule_lengths(tree):
    """400 lines a file, 120 characters a line."""
    for name, text in tree.texts.items():
        if pathlib.Path(name).suffix not in CODE:
            continue
        lines = text.splitlines()
        if len(lines) > LINES_MAX and not name.startswith("tests/"):
            yield f"{name}: {len(lines)} lines, {LINES_MAX} at the most: split it"
        width = WIDTH_MAX_SHELL if name.endswith(".sh") else WIDTH_MAX
        for number, line in enumerate(lines, 1):
            if len(line) > width:
                yield f"{name}:{number}: {len(line)} characters, {width} at the most"


def rule_functions(tree):
    """70 lines a function: from a line that ends in '{' at the left margin, or a class's, to its '}'."""
    for name in tree.cpp():
        for margin in ("", "    "):
            start = None
            for number, line in enumerate(tree.texts[name].splitlines(), 1):
                if not line.startswith(margin):
                    continue
                line = line[len(margin):]
                is_opening = re.match(r"\S.*\) (const |noexcept |override |[A-Z_]+\(.*\) |-> .*)*\{$|\S.*\)$", line)
                if is_opening and not line.startswith(("namespace", "struct", "class", "enum", "#", "//", "}")):
                    start = number
                elif line.startswith("}") and start:
                    if number - start > FUNCTION_MAX and not name.startswith("tests/"):
                        yield f"{name}:{start}: a function of {number - start} lines, {FUNCTION_MAX} at the most"
                    start = None


def rule_parameters(tree):
    """No bool parameters: a call says what it means by an enum's value. One that is itself the value, named so, may."""
    parameter = re.compile(r"[(,]\s*(?:const )?bool (?!value\b)\w+\s*(?:=[^,();]*)?[,)]")
    for name in tree.cpp():
        if name.startswith("tests/"):
            continue
        for number, line in enumerate(without_comments(tree.texts[name]).splitlines(), 1):
            if parameter.search(line):
                yield f"{name}:{number}: a bool parameter: write an enum"


def rule_circles(tree):
    """No circle between units, by includes or by forward declarations."""
    for circle in rooms.circles(tree.texts):
        yield "a circle: " + "; ".join(circle)


def rule_type_names(tree):
    """No two types of one name in a namespace."""
    sources = [(name, tree.texts[name]) for name in tree.cpp()
               if not name.startswith("tests/") and name != type_names.PUBLIC]
    return type_names.clashes(sources)


def rule_scenarios(tree):
    """No line of a scenario that looks like a check and can't fail."""
    return scenarios.complaints(tree.texts)


def rule_words(tree):
    """Banned words and calls, and banned names of files."""
    for name in tree.cpp():
        for number, line in enumerate(without_comments(tree.texts[name]).splitlines(), 1):
            for pattern, instead, allowed in BANNED:
                if re.search(pattern, line) and not name.startswith(allowed):
                    yield f"{name}:{number}: {re.search(pattern, line).group().strip()}: write {instead}"
            if name.endswith(".hpp") and re.match(r"\s*using namespace", line):
                yield f"{name}:{number}: using namespace in a header"
        for number, line in enumerate(tree.texts[name].splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", line):
                yield f"{name}:{number}: a TODO has an issue's number: TODO(#12)"
    for name in tree.names:
        if BANNED_NAMES.search(pathlib.Path(name).name):
            yield f"{name}: a file is named after what it is"


def rule_first_lines(tree):
    """A header, and a source without a header of its own, opens with a sentence on itself; in a room, on one line."""
    for name in tree.cpp():
        lines = tree.texts[name].splitlines()
        is_described = lines and re.match(r"(//|/\*) \S.*", lines[0])
        if name.endswith(".cpp") and not is_described:
            own = name[:-4] + ".hpp"
            if own not in tree.texts or f'"{own}"' not in (lines or [""])[0]:
                yield f"{name}:1: neither a sentence about the file nor its own header"
        elif not is_described:
            yield f"{name}:1: no sentence about the file"
        if is_described and name.split("/")[0] in rooms.TOPS and not re.search(r"\.( \*/)?$", lines[0]):
            yield f"{name}:1: a sentence that ends on the first line: `make rooms` prints that line"


def rule_dead_files(tree):
    """Every header is included, every script named somewhere."""
    included = {match for text in tree.texts.values() for match in re.findall(r'#\s*include\s+"([^"]+)"', text)}
    for name in tree.names:
        suffix = pathlib.Path(name).suffix
        if suffix in {".hpp", ".h", ".cuh", ".def"} and name not in included:
            yield f"{name}: nobody includes it"
        listed = ("tests/mount/", "tests/guest/scenarios/", "tests/python/", "client/python/")
        if suffix in {".py", ".sh"} and not name.startswith(listed):
            path = pathlib.Path(name)
            used = re.compile(rf"{re.escape(path.name)}|^(from|import) {re.escape(path.stem)}\b", re.MULTILINE)
            if not any(used.search(text) for other, text in tree.texts.items() if other != name):
                yield f"{name}: nobody calls it"


def rule_docs(tree):
    """`Name::member` (file) in docs/ is in that file, and a link to a file leads to one."""
    for name, text in tree.texts.items():
        if name.endswith(".md"):
            for target in re.findall(r"\]\(([^)#\s:]+)(?:#[^)\s]*)?\)", text):
                if not (tree.root / name).parent.joinpath(target).exists():
                    yield f"{name}: a link to {target}, which isn't there"
        if not name.startswith("docs/"):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for symbol, file in re.findall(r"`([\w:]+)`(?:[^`()]*)\(((?:[\w.-]+/)+[\w.]+)\)", line):
                if file not in tree.texts:
                    yield f"{name}:{number}: there is no {file}"
                elif not re.search(rf"\b{symbol.split('::')[-1]}\b", tree.texts[file]):
                    yield f"{name}:{number}: {file} has no {symbol}"


def rule_format(tree):
    """clang-format 14 changes nothing."""
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not program:
        return None
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if "version 14." not in version.stdout:
        return None
    names = [name for name in tree.cpp() if not name.endswith(".cu")]
    done = subprocess.run([program, "--dry-run", "-Werror", *names], cwd=tree.root, capture_output=True, text=True,
                          check=False)
    found = {line.split(": error")[0] + ": run `make format`" for line in done.stderr.splitlines() if ": error" in line}
    if done.returncode != 0 and not found:
        return [f"{pathlib.Path(program).name}: {done.stderr.strip().splitlines()[0]}"]
    return sorted(found)


def rule_canaries(tree):
    """The bugs that `make canary` plants are where the code is now."""
    command = [sys.executable, tree.root / "tests/canary/run.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines()


RULES = [rule_layers, rule_standard_headers, rule_lengths, rule_functions, rule_parameters, rule_circles,
         rule_type_names, rule_words, rule_scenarios, rule_first_lines, rule_dead_files, rule_docs, rule_format,
         rule_canaries]


def check(root, quiet=False):
    """The rules that were broken, and those that could not be tried."""
    tree = Tree(root)
    broken, skipped = [], []
    for rule in RULES:
        found = rule(tree)
        if found is None:
            skipped.append(rule.__name__)
            continue
        found = list(found)
        if found:
            broken.append(rule.__name__)
        if not quiet:
            for line in found:
                print(line)
    return broken, skipped


# A violation of each rule: (rule, file, what is written into it; None appends to it)
PLANTED = [
    (rule_layers, "vmm/base/planted.cpp", '// Planted: a file.\n#include "vmm/device/driver.hpp"\n'),
    (rule_standard_headers, "vmm/base/planted.cpp", "// Planted: a file.\nstd::uint32_t a;\n"),
    (rule_lengths, "vmm/planted.cpp", "// Planted: a file.\n" + "int a;\n" * 401),
    (rule_functions, "vmm/planted.cpp", "// Planted: a file.\nint f() {\n" + "    f();\n" * 71 + "}\n"),
    (rule_functions, "vmm/planted.hpp",
     "// Planted: a file.\nclass A {\n    int f() {\n" + "        f();\n" * 71 + "    }\n};\n"),
    (rule_parameters, "vmm/planted.cpp", "// Planted: a file.\nvoid f(int a, bool is_b);\n"),
    (rule_type_names, "tools/host/planted.hpp",
     "// Planted: a file.\nnamespace gmemfs {\nstruct Extent {\n    int a;\n};\n} // namespace gmemfs\n"),
    (rule_words, "vmm/planted.cpp", "// Planted: a file.\nvoid f() { std::cout << std::endl; }\n"),
    (rule_words, "vmm/thing_utils.cpp", "// Planted: a file.\n"),
    (rule_first_lines, "vmm/planted.cpp", "int a;\n"),
    (rule_first_lines, "vmm/planted.cpp", "// Planted: a sentence that goes\n// on.\n"),
    (rule_dead_files, "vmm/planted.hpp", "// Planted: a file.\n#pragma once\n"),
    (rule_docs, "docs/planted.md", "`Planted::nothing` (vmm/device/driver.hpp)\n"),
    (rule_docs, "docs/planted.md", "[the keeper](../vmm/keeper.hpp)\n"),
    (rule_format, "vmm/planted.cpp", "// Planted: a file.\nint   a ;\n"),
    *((rule_scenarios, "tests/mount/cli/planted.sh", line + "\n") for line in scenarios.PLANTED),
    (rule_circles, "vmm/base/fd.hpp", "// Planted: a file.\nclass ExtentList;\n"),  # the last ones take files' places
    (rule_canaries, "vmm/memory/extent_list.cpp", "// Planted: a file.\n"),
]


def self_test():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "tree"
        for name in tracked(ROOT):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
        subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
        for rule, name, text in PLANTED:
            (copy / name).write_text(text)
            broken, skipped = check(copy, quiet=True)
            (copy / name).unlink()
            if rule.__name__ in skipped:
                print(f"skip {rule.__name__}")
            elif rule.__name__ not in broken:
                print(f"{rule.__name__} didn't notice what was planted in {name}")
                failed += 1
    print(f"{len(PLANTED)} violations planted, {failed} not noticed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description="Checks what a reviewer shouldn't have to say.")
    parser.add_argument("--count", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    broken, skipped = check(ROOT)
    for name in skipped:
        print(f"skip: {name}: no clang-format 14 here, and others format otherwise")
    if arguments.count:
        print(f"{len(RULES) - len(broken) - len(skipped)} passed, {len(broken)} failed, {len(skipped)} skipped")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
