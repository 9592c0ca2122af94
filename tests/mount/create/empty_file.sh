# A new file is empty.
# posix
: > "$MNT/f"
is "$(stat -c '%F %s' "$MNT/f")" "regular empty file 0"
nothing cat "$MNT/f"
