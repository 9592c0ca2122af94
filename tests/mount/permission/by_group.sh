# The group's bits hold for the group, by its supplementary groups too.
# options: -o allow_other
# posix
needs_root
echo text > "$MNT/f"
chgrp 1234 "$MNT/f"
chmod 640 "$MNT/f"
expect_error "Permission denied" as_nobody cat "$MNT/f"
is "$(setpriv --reuid=65534 --regid=65534 --groups=1234 cat "$MNT/f")" text
is "$(setpriv --reuid=65534 --regid=1234 --clear-groups cat "$MNT/f")" text
