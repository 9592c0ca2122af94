# Owner and group change, of links themselves too; the set-user-ID bit goes.
# posix
needs_root
touch "$MNT/f"
ln -s f "$MNT/link"
chmod 4755 "$MNT/f"
chown 1000:1001 "$MNT/f"
is "$(stat -c %u:%g:%a "$MNT/f")" 1000:1001:755
chown -h 5:6 "$MNT/link"
is "$(stat -c %u:%g "$MNT/link") $(stat -c %u:%g "$MNT/f")" "5:6 1000:1001"
chgrp 7 "$MNT/f"
is "$(stat -c %u:%g "$MNT/f")" 1000:7
