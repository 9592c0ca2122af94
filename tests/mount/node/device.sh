# A device node keeps its numbers, and mknod makes plain files too.
# posix
needs_root
mknod "$MNT/null" c 1 3
is "$(stat -c '%F %t:%T' "$MNT/null")" "character special file 1:3"
is "$(errno_of "os.mknod('$MNT/f', 0o100600)")" OK
is "$(stat -c '%F %a' "$MNT/f")" "regular empty file 600"
