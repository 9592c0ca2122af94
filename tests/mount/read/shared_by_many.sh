# Eight readers of one file all see the same.
# posix
random_bytes 8M > source
cp source "$MNT/f"
for reader in {1..8}; do
    cmp source "$MNT/f" &
    pids[reader]=$!
done
for pid in "${pids[@]}"; do wait "$pid"; done
