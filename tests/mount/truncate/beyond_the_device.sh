# More than the device has is ENOSPC, and the file stays as it was.
# size: 64M
random_bytes 16M > "$MNT/f"
sum=$(sha "$MNT/f")
expect_error "No space left on device" truncate -s 1G "$MNT/f"
is "$(size_of "$MNT/f")" $((16 << 20))
is "$(sha "$MNT/f")" "$sum"
expect_error "No space left on device" truncate -s 1G "$MNT/new"
truncate -s 32M "$MNT/f"
