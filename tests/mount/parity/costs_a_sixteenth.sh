# options: --ecc=on
# Parity takes 6.25 % of the blocks, which df shows, and no peer and no owner is charged for.
used() { "$GMEMFS" stat --json "$MNT" | json 'd["used"]'; }
is "$(used)" 0
truncate -s 32M "$MNT/f"
is "$(used)" $((34 << 20))
is "$(df -B1 --output=used "$MNT" | tail -n 1 | tr -d ' ')" $((34 << 20))
is "$(xattr user.allocation_size "$MNT/f")" $((32 << 20))
is "$(du -B1 "$MNT/f" | cut -f 1)" $((32 << 20))
is "$(xattr user.gmemfs.ecc "$MNT/f")" current
rm "$MNT/f"
is "$(used)" 0
# The last MiB that isn't there is refused with its parity.
expect_error "No space left on device" truncate -s "$SIZE" "$MNT/f"
is "$(size_of "$MNT/f")" 0
is "$(used)" 0
