# Eight processes write and read a file each; the checksums agree.
# posix
for number in {1..8}; do
    (random_bytes 5M > "source$number" && cp "source$number" "$MNT/f$number" && cmp "source$number" "$MNT/f$number") &
    pids[number]=$!
done
for pid in "${pids[@]}"; do wait "$pid"; done
