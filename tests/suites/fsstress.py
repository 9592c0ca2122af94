"""fsstress: random system calls of several processes in one tree (xfstests' fsstress), then a look at what is left."""
import os
import stat

import fsx
from place import run

SIZE = "4G"
RUNS = [(1, 3000, 1), (4, 1500, 2), (12, 300, 3)]  # processes, operations each, seed
prepare = fsx.prepare


def check_links(root):
    """A directory has a link for each directory in it, a file one for each of its names."""
    names, links = {}, {}
    for folder, folders, files in os.walk(root):
        found = os.lstat(folder)
        below = sum(stat.S_ISDIR(os.lstat(os.path.join(folder, name)).st_mode) for name in folders)
        if found.st_nlink not in (below + 2, 1):
            return f"{folder} has {found.st_nlink} links and {below} directories"
        for name in files:
            found = os.lstat(os.path.join(folder, name))
            names[found.st_ino] = names.get(found.st_ino, 0) + 1
            links[found.st_ino] = found.st_nlink
    wrong = [inode for inode, count in names.items() if links[inode] != count]
    return f"inode {wrong[0]} has {links[wrong[0]]} links and {names[wrong[0]]} names" if wrong else ""


def read_all(root):
    """Every file can be read whole, and has as many bytes as stat says."""
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            if not stat.S_ISREG(os.lstat(path).st_mode):
                continue
            count = 0
            with open(path, "rb") as file:
                while piece := file.read(1 << 20):
                    count += len(piece)
            if count != os.stat(path).st_size:
                return f"{path}: {count} bytes read, {os.stat(path).st_size} by stat"
    return ""


def suite(place, results, folder):
    free = os.statvfs(place.path).f_bfree
    for processes, operations, seed in RUNS:
        name = f"{processes} processes"
        tree = place.path / f"tree{seed}"
        done = run([folder / "ltp/fsstress", "-d", tree, "-p", processes, "-n", operations, "-s", seed], 600,
                   cwd=place.work)
        results.of(name, done)
        for what, wrong in (("links", check_links(tree)), ("contents", read_all(tree))):
            results.add(f"{name}: {what}", "failed" if wrong else "passed", wrong)
        run(["chattr", "-R", "-ia", tree])
        results.of(f"{name}: rm -rf", run(["rm", "-rf", tree], 120))
        left = free - os.statvfs(place.path).f_bfree
        results.add(f"{name}: all space is given back", "failed" if left else "passed", f"{left} blocks are missing")
