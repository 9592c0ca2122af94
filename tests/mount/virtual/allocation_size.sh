# user.allocation_size is the device memory behind a file: a multiple of 2 MiB, as a decimal string.
touch "$MNT/f"
is "$(xattr user.allocation_size "$MNT/f")" 0
for pair in 1:2097152 2097152:2097152 2097153:4194304 8388608:8388608; do
    truncate -s "${pair%:*}" "$MNT/f"
    is "$(xattr user.allocation_size "$MNT/f")" "${pair#*:}"
done
