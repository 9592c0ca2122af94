# A write by another user takes the set-user-ID bit away.
# options: -o allow_other
# posix
needs_root
touch "$MNT/f" "$MNT/g"
chmod 4777 "$MNT/f" "$MNT/g"
as_nobody dd if=/dev/zero of="$MNT/f" bs=100 count=1 conv=notrunc status=none
is "$(mode_of "$MNT/f")" 777
as_nobody truncate -s 100 "$MNT/g"
is "$(mode_of "$MNT/g")" 777
