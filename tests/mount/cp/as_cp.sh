# gmemfs cp does what cp does, in a table of cases (tests/mount/as_cp.py).
# timeout: 120
mkdir host
cd host
python3 "$TESTS/as_cp.py" "$GMEMFS" "$MNT"
