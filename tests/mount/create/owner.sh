# A new file belongs to who made it; in a set-group-ID directory, to the directory's group.
# options: -o allow_other
# posix
needs_root
chmod 777 "$MNT"
as_nobody touch "$MNT/f"
is "$(stat -c %u:%g "$MNT/f")" 65534:65534
mkdir "$MNT/d"
chgrp 1234 "$MNT/d"
chmod 2777 "$MNT/d"
as_nobody touch "$MNT/d/f"
as_nobody mkdir "$MNT/d/e"
is "$(stat -c %u:%g "$MNT/d/f")" 65534:1234
is "$(stat -c %g:%a "$MNT/d/e")" 1234:2755
