# Random writes, reads, truncations and appends agree with a model of the file (20 s; the seed is fixed).
# posix
# timeout: 90
python3 "$TESTS/fsx.py" "$MNT/f" --seed 20261120 --seconds 20
