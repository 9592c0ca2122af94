#!/usr/bin/env python3
# as_cp: runs cp and `gmemfs cp` over a table of cases, each in a world of its own in the mount, and compares what is
# there afterwards: kinds, modes, owners, links, contents, attributes, whether a file is the same file still; and the
# exit status.
#
#   tests/mount/as_cp.py GMEMFS MOUNT        in an empty folder, which becomes the host's side
import hashlib, os, shutil, socket, stat, subprocess, sys
from pathlib import Path

GMEMFS, WORLD, HOST = sys.argv[1], Path(sys.argv[2]) / "world", Path.cwd()
ROOT = os.getuid() == 0
THEN = 1577934245
BIG = "large", "longer"

CASES = """
s new | s key | s key_too | large key | large shorter | s longer | program new | program key | program s | s read_only
-f s read_only | -n s key | -n s new | s link | s dangling | -f s dangling | s loop | s nowhere/new | s new/ | s s
key key_too | link key | s tree | s link_to_folder | s other | tree new | tree s | link new | dangling new | s large new
nothing new | nothing s new | s large other | s nothing large other | s other/s other | -r tree new | -r tree into
-r tree other | -rp tree new | -a tree new | -a tree into | -p s new | -p s key | -p large key | -p program new
-r link new | -r link key | -r link s | -r dangling new | -r fifo new | -r fifo key | -r fifo other | -r fifo tree/fifo
-r link_to_folder new | -r tree s | -r tree/. new | -r tree/ new | -R tree new | -a key key_too other | -a link new
-r s tree other | -r tree/sub nothing other | -v s new | -a tree/a tree/a_too | -r tree/closed new
HOST/large new | HOST/large key | HOST/small link | HOST/link new | new HOST/new | large HOST/out | s HOST/small
/proc/version new | /proc/devices key_too | /proc/kallsyms new | /sys/kernel/mm/transparent_hugepage/enabled new
/dev/null new | /dev/null key | -r tree HOST/tree | -nr tree into | -fr tree into | s large nothing
"""
CASES_OF_ROOT = "s null | large null | -r null new | -r null s | -a null new | -r tree null | s key_of_nobody"


def make_world():
    os.umask(0o022)
    top = HOST / "template"
    top.mkdir()
    files = {"s": b"source\n", "large": os.urandom(5 << 20), "program": b"x", "key": b"secret",
             "longer": b"x" * (6 << 20), "shorter": b"old", "read_only": b"ro", "key_of_nobody": b"n"}
    modes = {"program": 0o4755, "key": 0o600, "read_only": 0o444, "key_of_nobody": 0o600}
    for name, data in files.items():
        (top / name).write_bytes(data)
    if ROOT:
        for name, owner in {"key": (1000, 1001), "large": (12, 34), "key_of_nobody": (65534, 65534)}.items():
            os.chown(top / name, *owner)
        os.mknod(top / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    for name in files:
        os.chmod(top / name, modes.get(name, 0o644))
    os.link(top / "key", top / "key_too")
    for name, to in {"link": "key", "dangling": "nowhere", "loop": "loop", "link_to_folder": "tree"}.items():
        os.symlink(to, top / name)
    os.mkfifo(top / "fifo")
    for folder in "tree/sub", "tree/closed", "into/tree", "other":
        (top / folder).mkdir(parents=True)
    for name, data in {"tree/a": b"a", "tree/sub/b": b"b", "tree/empty": b"", "tree/closed/c": b"c",
                       "into/tree/a": b"old", "other/s": b"x"}.items():
        (top / name).write_bytes(data)
    os.link(top / "tree/a", top / "tree/a_too")
    os.symlink("a", top / "tree/link")
    os.symlink("nowhere", top / "tree/dangling")
    os.mkfifo(top / "tree/fifo", 0o620)
    os.chdir(top / "tree")
    socket.socket(socket.AF_UNIX).bind("socket")
    os.chdir(HOST)
    if ROOT:
        os.mknod(top / "tree/null", 0o640 | stat.S_IFCHR, os.makedev(1, 3))
        os.chown(top / "tree/link", 5, 6, follow_symlinks=False)
        os.chown(top / "tree/sub", 7, 8)
    os.setxattr(top / "tree/a", "user.note", b"kept")
    os.chmod(top / "into/tree/a", 0o640)
    os.chmod(top / "tree/closed", 0o555)
    os.chmod(top / "tree/sub", 0o2755)
    for name in "s", "large", "tree/a", "tree/sub", "tree/link":
        os.utime(top / name, (THEN, THEN), follow_symlinks=False)
    (HOST / "big").mkdir()
    for name in BIG:
        os.rename(top / name, HOST / "big" / name)


def describe(top, path, names_of):
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    told = [oct(status.st_mode), status.st_uid, status.st_gid, status.st_rdev]
    told.append("then" if status.st_mtime == THEN else "another time")
    if not stat.S_ISDIR(kind):
        told += [status.st_nlink, status.st_size]
        names_of.setdefault((status.st_dev, status.st_ino), []).append(str(path.relative_to(top)))
    if stat.S_ISLNK(kind):
        told.append(os.readlink(path))
    if stat.S_ISREG(kind):
        if os.access(path, os.R_OK):
            told.append(hashlib.sha256(path.read_bytes()).hexdigest()[:12])
            names = [name for name in sorted(os.listxattr(path)) if name != "user.allocation_size"]
            told += [(name, os.getxattr(path, name)) for name in names]
    return told


def seen(top, before):
    found, names_of = {}, {}
    paths = [Path(folder) / name for folder, folders, files in os.walk(top) for name in folders + files]
    for path in sorted(paths):
        found[str(path.relative_to(top))] = describe(top, path, names_of)
    found["one file"] = sorted(sorted(names) for names in names_of.values() if len(names) > 1)
    still = [name for name in before if os.path.lexists(top / name)]
    found["the same as before"] = sorted(name for name in still if os.lstat(top / name).st_ino == before[name])
    return found


def remove(path):
    for folder, folders, files in os.walk(path):
        for name in folders:
            if not (Path(folder) / name).is_symlink():
                os.chmod(Path(folder) / name, 0o755)
    shutil.rmtree(path, ignore_errors=True)


def run(program, arguments):
    wanted = [name for name in BIG if any(word.endswith(name) for word in arguments)]  # the others would take time
    for path in WORLD, HOST / "side":
        remove(path)
    subprocess.run(["cp", "-a", HOST / "template", WORLD], check=True)
    for name in wanted:
        subprocess.run(["cp", "-a", HOST / "big" / name, WORLD], check=True)
    side = HOST / "side"
    side.mkdir()
    (side / "large").write_bytes(LARGE if wanted else b"small")
    (side / "small").write_bytes(b"host")
    (side / "out").write_bytes(b"old")
    os.chmod(side / "out", 0o640)
    os.symlink("large", side / "link")
    before = {name: os.lstat(WORLD / name).st_ino for name in os.listdir(WORLD)}
    done = subprocess.run([*program, *arguments], cwd=WORLD, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    lines = done.stdout.decode().splitlines()
    return {"status": done.returncode, "said": lines, "world": seen(WORLD, before), "side": seen(side, {})}, done.stderr


LARGE = os.urandom(4500001)
make_world()
failed = 0
cases = (CASES + (" | " + CASES_OF_ROOT if ROOT else "")).replace("\n", " | ").split("|")
for case in filter(None, (c.strip() for c in cases)):
    arguments = [word.replace("HOST", str(HOST / "side")) for word in case.split()]
    by_cp, _ = run(["cp"], arguments)
    by_gmemfs, said = run([GMEMFS, "cp"], arguments)
    if by_cp == by_gmemfs:
        continue
    failed += 1
    print(f"cp {case}: differs; gmemfs said {said.decode()!r}")
    for key in by_cp:
        one, other = by_cp[key], by_gmemfs[key]
        if isinstance(one, dict):
            for name in sorted(one.keys() | other.keys()):
                if one.get(name) != other.get(name):
                    print(f"    {key} {name}: cp {one.get(name)}, gmemfs cp {other.get(name)}")
        elif one != other:
            print(f"    {key}: cp {one}, gmemfs cp {other}")
sys.exit(f"{failed} cases differ" if failed else 0)
