# options: --ecc=on --verify-reads
# Random system calls of several processes on several files, each against a model and tmpfs; then all blocks agree.
python3 "$TESTS/../random/run.py" "$MNT" --seed 20261122 --seconds 8 --keep "$BUILD/random-failures"
"$GMEMFS" verify -q "$MNT"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["parity"]["blocks_repaired"], d["parity"]["blocks_damaged"]')" "(0, 0)"
