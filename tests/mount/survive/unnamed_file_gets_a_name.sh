# A file that was made without a name (O_TMPFILE) gets one after the server was restarted, and after it died; one that has lost
# its name gets none, before and after. What was written, its mode and a lock on it are as they were.
# mount: none
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
python3 - "$MNT" "$GMEMFS" <<'PYTHON'
import errno, fcntl, os, subprocess, sys, time
mnt, gmemfs = sys.argv[1:]


def name(fd, path):
    os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, follow_symlinks=True)  # a descriptor, or Python doesn't follow


def restart():
    subprocess.run([gmemfs, "restart", mnt], check=True, stdout=subprocess.DEVNULL)


def crash():
    def server():
        return int(os.getxattr(mnt, "user.gmemfs.stats").split(b'"server_pid":')[1].split(b",")[0].split(b"}")[0])
    before = server()
    os.kill(before, 9)
    while server() == before:
        time.sleep(0.01)


for number, end in enumerate((restart, crash)):
    fd = os.open(mnt, os.O_TMPFILE | os.O_RDWR | os.O_APPEND, 0o640)
    empty = os.open(mnt, os.O_TMPFILE | os.O_RDWR, 0o600)
    lost = os.open(f"{mnt}/lost", os.O_CREAT | os.O_RDWR)
    os.unlink(f"{mnt}/lost")
    named = os.open(mnt, os.O_TMPFILE | os.O_RDWR)
    name(named, f"{mnt}/named")
    os.unlink(f"{mnt}/named")
    folder = f"{mnt}/folder{number}"
    os.mkdir(folder)
    for entry in range(2000):
        open(f"{folder}/{entry}", "w").close()
    listing = os.scandir(folder)
    seen = [next(listing).name for _ in range(100)]
    os.write(fd, b"text")
    fcntl.lockf(fd, fcntl.LOCK_EX)
    end()
    os.write(fd, b" and more")
    name(fd, f"{mnt}/kept{number}")
    name(empty, f"{mnt}/empty{number}")
    assert os.stat(f"{mnt}/kept{number}").st_mode & 0o777 == 0o640 and os.fstat(fd).st_nlink == 1
    for gone in (lost, named):
        try:
            name(gone, f"{mnt}/again")
            raise SystemExit("a file that had lost its name got another one")
        except OSError as error:
            assert error.errno == errno.ENOENT, error
    child = subprocess.run([sys.executable, "-c", "import fcntl, sys\ntry: fcntl.lockf(open(sys.argv[1], 'r+'), "
                            "fcntl.LOCK_EX | fcntl.LOCK_NB)\nexcept BlockingIOError: sys.exit(7)", f"{mnt}/kept{number}"])
    assert child.returncode == 7, "the lock is gone"
    assert open(f"{mnt}/kept{number}").read() == "text and more"
    seen += [entry.name for entry in listing]
    assert len(seen) == len(set(seen)) == 2000, len(seen)
    for each in (fd, empty, lost, named):
        os.close(each)
    assert open(f"{mnt}/kept{number}").read() == "text and more"
PYTHON
"$GMEMFS" umount "$MNT"
