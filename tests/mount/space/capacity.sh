# --capacity is all that the filesystem takes of the device.
# options: --capacity 64M
is "$(df -B1 --output=size "$MNT" | tail -n 1 | tr -d ' ')" $((64 << 20))
truncate -s 60M "$MNT/f"
expect_error "No space left on device" truncate -s 8M "$MNT/g"
truncate -s 4M "$MNT/g"
is "$(df -B1 --output=avail "$MNT" | tail -n 1 | tr -d ' ')" 0
rm "$MNT/f"
truncate -s 60M "$MNT/g"
