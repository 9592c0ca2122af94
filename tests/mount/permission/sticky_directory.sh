# In a sticky directory only owners remove and rename.
# options: -o allow_other
# posix
needs_root
mkdir "$MNT/d"
chmod 1777 "$MNT/d"
touch "$MNT/d/root"
as_nobody touch "$MNT/d/nobody"
expect_error "Operation not permitted" as_nobody rm -f "$MNT/d/root"
expect_error "Operation not permitted" as_nobody mv "$MNT/d/root" "$MNT/d/x"
expect_error "Operation not permitted" as_nobody mv -f "$MNT/d/nobody" "$MNT/d/root"
as_nobody rm "$MNT/d/nobody"
