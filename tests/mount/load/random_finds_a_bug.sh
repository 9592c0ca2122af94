# The random tester notices a filesystem that punches one byte too few, shrinks what fails, and can do it again.
# size: 512M
# timeout: 240
tester=(python3 "$TESTS/../random/run.py" "$MNT" --keep "$PWD/kept" --shrink 15 --plant)
is "$(status_of "${tester[@]}" --seed 1 --seconds 60)" 1
grep -q "'fallocate'" kept/seed-*.py
steps=$(grep -c '^    (' kept/seed-*.py)
[ "$steps" -le 60 ] || { echo "shrunk to $steps steps only"; exit 1; }
is "$(status_of "${tester[@]}" --replay kept/seed-*.py)" 1
python3 "$TESTS/../random/run.py" "$MNT" --replay kept/seed-*.py # without the bug nothing is wrong
