# After the last close a file holds no more than its size, rounded up to 2 MiB.
for _ in {1..5}; do
    head -c 3000000 /dev/zero >> "$MNT/f"
    size=$(size_of "$MNT/f")
    is "$(xattr user.allocation_size "$MNT/f")" $(((size + 2097151) / 2097152 * 2097152))
done
