# A few rounds of everything that ends a mount, or half ends it: nothing is lost of it, and nothing that others have mounted.
# mount: none
# timeout: 200
needs_root
needs_linux_that_asks_again
[ -e /sys/fs/fuse/connections ] && { mountpoint -q /sys/fs/fuse/connections || mount -t fusectl none /sys/fs/fuse/connections; } ||
    skip "no fusectl here"
TMPDIR=$PWD python3 "$TESTS/survive/ends_loop.py" --rounds 12 --gmemfs "$GMEMFS"
