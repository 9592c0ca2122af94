# The same on three files at once.
# posix
# timeout: 90
for seed in 1 2 3; do
    python3 "$TESTS/fsx.py" "$MNT/f$seed" --seed "$seed" --seconds 6 --size 6291456 &
    pids[seed]=$!
done
for pid in "${pids[@]}"; do wait "$pid"; done
