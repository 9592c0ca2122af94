"""source tree: git, tar, rsync's rules by cp, find and make on gmemfs's own source, inside the mount."""
from place import ROOT, run
from results import need

SIZE = "6G"
# Each is a line of shell in the mounted folder, with $ROOT and $WORK (a folder on disk); later ones use what earlier
# ones made.
STEPS = {
    "git clone": "git clone -q --no-local $ROOT tree",
    "git fsck": "git -C tree fsck --strict",
    "git status is clean": 'test -z "$(git -C tree status --porcelain)"',
    "git commit": "cd tree && echo more >> README.md && git add -A && git commit -qm x",
    "git checkout back and forth": "cd tree && git checkout -q HEAD~5 && git checkout -q - && git diff --exit-code",
    "git stash": "cd tree && echo y >> README.md && git stash -q && git stash pop -q",
    "git worktree": "cd tree && git worktree add -q ../second HEAD~1 && git worktree remove --force ../second",
    "git repack and gc": "cd tree && git repack -adq && git gc -q --prune=now && git fsck",
    "tar out and in": "git -C tree archive HEAD | tar x -C $WORK && tar c -C $WORK . | tar x --one-top-level=copy",
    "diff -r with the disk": "diff -r --no-dereference copy $WORK",
    "cp -a": "cp -a copy again && diff -r copy again",
    "cp keeps times and modes": 'test "$(cd copy && find . -printf "%p %m %T@\\n" | sort | sha256sum)" = '
                                '"$(cd again && find . -printf "%p %m %T@\\n" | sort | sha256sum)"',
    "mv of a tree": "mv again moved && test ! -e again && diff -r copy moved",
    "gzip and back": "tar cz copy > a.tgz && mkdir out && tar xz -C out < a.tgz && diff -r copy out/copy",
    "sed -i everywhere": "find moved -name '*.hpp' -exec sed -i s/gmemfs/x/g {} + && ! grep -q gmemfs moved/vmm/*.hpp",
    "make": "cd tree && make -s BUILD=build NVCC= build/sim/libcuda.so.1",
    "make again does nothing": 'cd tree && test -z "$(make -s BUILD=build NVCC= build/sim/libcuda.so.1)"',
    "what was made runs": "cp tree/build/sim/libcuda.so.1 here.so && "
                          "python3 -c 'import ctypes; assert ctypes.CDLL(\"./here.so\").cuInit(0) == 0'",
    "an executable runs": "cp /bin/true ./program && ./program",
    "find counts": 'test "$(find copy | wc -l)" = "$(find $WORK | wc -l)"',
    "rm -rf": "rm -rf tree copy moved out a.tgz here.so program && test -z \"$(ls -A)\"",
}


def prepare(_):
    for program in ("git", "tar", "make", "g++"):
        need(program, program)


def suite(place, results, _):
    disk = place.work / "disk"
    disk.mkdir()
    environment = {"ROOT": str(ROOT), "WORK": str(disk), "HOME": str(place.work), "GIT_AUTHOR_NAME": "a",
                   "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
                   "GIT_CONFIG_COUNT": "1",
                   "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
                   "GMEMFS_SIM_MACHINE": f"suites-tree-{place.kind}"}
    for name, step in STEPS.items():
        results.of(name, run(["bash", "-eu", "-o", "pipefail", "-c", step], 400, cwd=place.path, env=environment))
