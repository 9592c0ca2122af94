# -d stays in the foreground and tells each request.
# options: -d
touch "$MNT/a-name-to-find"
grep -q "fuse debug: create inode 1: ok" "$LOG"
