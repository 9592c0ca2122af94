# mmap, private: shows the file, and keeps its own changes to itself; programs run from such mappings.
# posix
python3 - "$MNT/f" << 'EOF'
import mmap, os, sys
with open(sys.argv[1], "wb") as file:
    file.write(b"abc" * 1000)
fd = os.open(sys.argv[1], os.O_RDONLY)
private = mmap.mmap(fd, 3000, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
assert private[:] == b"abc" * 1000
private[0:3] = b"xyz"
assert os.pread(fd, 3, 0) == b"abc"
EOF
cp /bin/true "$MNT/program" # run from a mapping of it
"$MNT/program"
