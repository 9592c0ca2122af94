# What was cut off is gone: growing again shows zeros.
# posix
random_bytes 5M > "$MNT/f"
head=$(head -c 1000001 "$MNT/f" | sha256sum)
truncate -s 1000001 "$MNT/f"
truncate -s 5M "$MNT/f"
is "$(head -c 1000001 "$MNT/f" | sha256sum)" "$head"
is "$(tail -c +1000002 "$MNT/f" | sha256sum | cut -d ' ' -f 1)" "$(zeros $((5 * 1048576 - 1000001)))"
