# Eight writers fill one file, each its own part.
# posix
random_bytes 16M > source
for part in {0..7}; do
    dd if=source of="$MNT/f" bs=2M count=1 skip="$part" seek="$part" conv=notrunc status=none &
    pids[part]=$!
done
for pid in "${pids[@]}"; do wait "$pid"; done
cmp source "$MNT/f"
