# Several processes whose first call is copy_file_range have it on the device, all of them: Linux 6.18 gives up after two
# answers of ENOSYS to its newer request, and copies through the host for as long as the mount lives.
# mount: none
for round in 1 2 3 4 5 6; do
    "$GMEMFS" mount "$MNT" --simulate="$SIZE"
    python3 - "$MNT" <<'EOF'
import json, os, sys, time
mount = sys.argv[1]
COPIES = 8
for index in range(COPIES):
    with open(f"{mount}/from{index}", "wb") as file:
        file.write(bytes([index]) * 500_000)
    open(f"{mount}/to{index}", "wb").close()
start = time.monotonic() + 0.05
for index in range(COPIES):
    if os.fork() == 0:
        source = os.open(f"{mount}/from{index}", os.O_RDONLY)
        target = os.open(f"{mount}/to{index}", os.O_WRONLY)
        while time.monotonic() < start:
            pass
        os._exit(os.copy_file_range(source, target, 500_000, 0, 0) != 500_000)
assert [os.wait()[1] for _ in range(COPIES)] == [0] * COPIES
for index in range(COPIES):
    with open(f"{mount}/to{index}", "rb") as file:
        assert file.read() == bytes([index]) * 500_000
count = json.loads(os.getxattr(mount, "user.gmemfs.stats"))["requests"]["copy_file_range"]
assert count == COPIES, f"{count} of {COPIES} copies came to the server"
EOF
    "$GMEMFS" umount "$MNT"
done
