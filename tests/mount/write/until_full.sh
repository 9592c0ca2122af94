# A device that is full says so; what was written before stays, and removing it makes room.
# size: 64M
# posix
random_bytes 8M > "$MNT/kept"
sum=$(sha "$MNT/kept")
expect_error "No space left on device" dd if=/dev/zero of="$MNT/f" bs=1M count=100
is "$(sha "$MNT/kept")" "$sum"
rm "$MNT/f"
head -c 32M /dev/zero > "$MNT/g"
is "$(sha "$MNT/g")" "$(zeros 32M)"
