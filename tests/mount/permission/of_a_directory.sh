# Who may not search a directory reaches nothing in it; who may not write it changes nothing.
# options: -o allow_other
# posix
needs_root
mkdir "$MNT/d"
echo text > "$MNT/d/f"
chmod 700 "$MNT/d"
expect_error "Permission denied" as_nobody cat "$MNT/d/f"
chmod 755 "$MNT/d"
is "$(as_nobody cat "$MNT/d/f")" text
expect_error "Permission denied" as_nobody rm -f "$MNT/d/f"
expect_error "Permission denied" as_nobody touch "$MNT/d/g"
expect_error "Permission denied" as_nobody mv "$MNT/d/f" "$MNT/d/g"
