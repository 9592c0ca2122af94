# O_TMPFILE: a file without a name, that linkat names, or that is gone with its last descriptor.
# posix
python3 - "$MNT" << 'EOF'
import errno, os, sys
mount = sys.argv[1]
root = os.open("/", os.O_RDONLY)  # makes Python use linkat with AT_SYMLINK_FOLLOW
fd = os.open(mount, os.O_TMPFILE | os.O_RDWR, 0o640)
assert os.fstat(fd).st_nlink == 0 and os.listdir(mount) == []
os.write(fd, b"hello")
os.link(f"/proc/self/fd/{fd}", f"{mount}/named", src_dir_fd=root, follow_symlinks=True)
assert os.fstat(fd).st_nlink == 1
with open(f"{mount}/named", "rb") as file:
    assert file.read() == b"hello"
os.close(fd)
assert os.stat(f"{mount}/named").st_mode & 0o777 == 0o640
exclusive = os.open(mount, os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600)
try:
    os.link(f"/proc/self/fd/{exclusive}", f"{mount}/never", src_dir_fd=root, follow_symlinks=True)
    sys.exit("a file that was opened with O_EXCL got a name")
except OSError as error:
    assert error.errno == errno.ENOENT, error
os.ftruncate(exclusive, 4 << 20)
os.close(exclusive)
os.unlink(f"{mount}/named")
assert os.listdir(mount) == []
EOF
