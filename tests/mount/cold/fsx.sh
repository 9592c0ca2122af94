# Random operations on files that are packed in between, with parity and without, agree with a model of them.
# timeout: 90
mkdir "$MNT/parity"
setfattr -n user.gmemfs.ecc -v on "$MNT/parity"
for seed in 1 2; do
    python3 "$TESTS/fsx.py" "$MNT/f$seed" --seed "$seed" --seconds 10 > "said$seed" &
    running+=($!)
done
python3 "$TESTS/fsx.py" "$MNT/parity/f" --seed 20261130 --seconds 10 > said
for pid in "${running[@]}"; do wait "$pid"; done
for said in said said1 said2; do grep -q ' [1-9][0-9]* times packed$' "$said"; done
"$GMEMFS" verify "$MNT/parity"
