# Beside a mount on the same device: the files there keep their bytes, and the memory in use is what it was, also after ^C
# and after a driver call that failed.
# options: --keeper=off
random_bytes 20M > "$MNT/file"
before=$(sha "$MNT/file")
"$GMEMFS" test --simulate --size 100M --ecc --json > said
is "$(json 'd["memory"]["used_before"] >= 20 << 20' < said)" True
used=$(json 'd["memory"]["used_before"]' < said)
is "$(json 'd["memory"]["used_after"] - d["memory"]["used_before"]' < said)" 0
is "$(sha "$MNT/file")" "$before"

# ^C when it has taken its memory, and while a slow device answers.
GMEMFS_SIM_FAULTS="cuMemcpyHtoDAsync~20ms" "$GMEMFS" test --simulate --size 200M --ecc > said 2> complaints & test=$!
timeout 20 bash -c "until grep -q allocate said; do :; done"
kill -INT "$test"
status=0
wait "$test" || status=$?
is "$status" 130
grep -q "interrupted; all memory is free again" complaints
is "$("$GMEMFS" test --simulate --size 2M --json | json 'd["memory"]["used_before"]')" "$used"
"$GMEMFS" test --simulate --size 200M > /dev/null # there is room for it again
is "$(sha "$MNT/file")" "$before"
