# 100,000 files of 4 KiB take less than 1 GiB of device memory.
# size: 1G
# timeout: 300
python3 - "$MNT" << 'EOF'
import os, sys
for number in range(100_000):
    if number % 1000 == 0:
        os.mkdir(f"{sys.argv[1]}/{number // 1000}")
    fd = os.open(f"{sys.argv[1]}/{number // 1000}/{number}", os.O_WRONLY | os.O_CREAT)
    os.write(fd, number.to_bytes(4, "little") * 1024)
    os.close(fd)
used = os.statvfs(sys.argv[1])
used = (used.f_blocks - used.f_bfree) * used.f_frsize
print(f"{used / 2**20} MiB")
assert 100_000 * 4096 <= used < 2**30, used
for number in range(0, 100_000, 97):
    with open(f"{sys.argv[1]}/{number // 1000}/{number}", "rb") as file:
        assert file.read() == number.to_bytes(4, "little") * 1024, number
EOF
