# Mode, owner, times and attributes are the owner's to change.
# options: -o allow_other
# posix
needs_root
touch "$MNT/f"
chmod 644 "$MNT/f"
expect_error "Operation not permitted" as_nobody chmod 777 "$MNT/f"
expect_error "Operation not permitted" as_nobody chown 65534 "$MNT/f"
expect_error "Permission denied" as_nobody touch -d 2001-01-01 "$MNT/f"
expect_error "Permission denied" as_nobody setfattr -n user.a -v 1 "$MNT/f"
chown 65534 "$MNT/f"
as_nobody chmod 600 "$MNT/f"
as_nobody touch -d 2001-01-01 "$MNT/f"
expect_error "Operation not permitted" as_nobody chown 0 "$MNT/f"
