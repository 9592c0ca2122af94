# Names, attributes and lists of them by a ring: what has an argument, a name or two, a value, and answers of a megabyte.
# rings
mkdir "$MNT/d"
python3 - "$MNT/d" <<'P'
import os, sys
folder = sys.argv[1]
for number in range(10000):
    os.close(os.open(f"{folder}/{number:0100}", os.O_CREAT | os.O_WRONLY))
assert sorted(os.listdir(folder)) == [f"{number:0100}" for number in range(10000)]
assert sum(entry.stat().st_size == 0 for entry in os.scandir(folder)) == 10000
first = f"{folder}/{0:0100}"
os.setxattr(first, "user.large", bytes(range(256)) * 256)
assert os.getxattr(first, "user.large") == bytes(range(256)) * 256
assert os.listxattr(first).count("user.large") == 1
os.rename(first, folder + "/" + "n" * 255)
os.symlink("t" * 4095, folder + "/link")
assert os.readlink(folder + "/link") == "t" * 4095
os.link(folder + "/" + "n" * 255, first)
assert os.stat(first).st_nlink == 2
for entry in os.scandir(folder):
    os.unlink(entry.path)
assert os.listdir(folder) == []
unnamed = os.open(folder, os.O_TMPFILE | os.O_RDWR)
os.write(unnamed, b"text")
# With a folder's descriptor, because without one Python calls link(2), which doesn't follow.
os.link(f"/proc/self/fd/{unnamed}", folder + "/named", src_dir_fd=0, follow_symlinks=True)
assert open(folder + "/named").read() == "text"
P
expect_error "File exists" mkdir "$MNT/d"
is "$(errno_of "os.rmdir('$MNT/d')")" ENOTEMPTY
if command -v setfacl > /dev/null; then
    setfacl -m u:12345:rw "$MNT/d/named"
    says '^user:12345:rw-' getfacl -cn "$MNT/d/named"
fi
is "$("$GMEMFS" stat --json "$MNT" | json 'd["errors"]')" 0
