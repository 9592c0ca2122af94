# Mode bits keep others from reading and writing.
# options: -o allow_other
# posix
needs_root
echo secret > "$MNT/f"
chmod 600 "$MNT/f"
expect_error "Permission denied" as_nobody cat "$MNT/f"
chmod 644 "$MNT/f"
is "$(as_nobody cat "$MNT/f")" secret
expect_error "Permission denied" as_nobody tee "$MNT/f" < /dev/null
expect_error "Permission denied" as_nobody truncate -s 0 "$MNT/f"
is "$(cat "$MNT/f")" secret
