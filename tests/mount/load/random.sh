# Random system calls of three processes agree with a model and with tmpfs (15 s; the seed is fixed).
# size: 512M
# timeout: 240
# posix
python3 "$TESTS/../random/run.py" "$MNT" --seed 20261121 --seconds 15 --keep "$BUILD/random-failures"
