# Removing a file gives its memory back at once; an open one's at its last close.
used() { df -B1 --output=used "$MNT" | tail -n 1 | tr -d ' '; }
before=$(used)
truncate -s 64M "$MNT/f"
exec 3< "$MNT/f"
is $(($(used) - before)) $((64 << 20))
rm "$MNT/f"
is $(($(used) - before)) $((64 << 20))
exec 3<&-
timeout 10 bash -c "until [ \"\$(df -B1 --output=used '$MNT' | tail -n 1 | tr -d ' ')\" = $before ]; do :; done"
