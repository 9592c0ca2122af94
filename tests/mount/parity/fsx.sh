# options: --ecc=on --verify-reads
# Random operations on a file, every read of which is verified, while three more files are written; all blocks agree.
for seed in 1 2 3; do
    python3 "$TESTS/fsx.py" "$MNT/f$seed" --seed "$seed" --seconds 4 --size 6291456 &
    running+=($!)
done
python3 "$TESTS/fsx.py" "$MNT/f" --seed 20261121 --seconds 8
for pid in "${running[@]}"; do wait "$pid"; done
"$GMEMFS" verify "$MNT"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["parity"]["blocks_repaired"], d["parity"]["blocks_damaged"]')" "(0, 0)"
[ "$("$GMEMFS" stat --json "$MNT" | json 'd["parity"]["blocks_verified"]')" -gt 1000 ]
