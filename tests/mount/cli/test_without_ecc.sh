# Without --ecc the plain memory alone is tested; a size is rounded up to what the device gives out.
# mount: none
"$GMEMFS" test --simulate=64M --size 5M > said
grep -q "plain memory: 6291456 bytes, 0 mismatches" said
fails grep -q -e encode -e parity said
says "plain memory: 2097152 bytes" "$GMEMFS" test --simulate=64M --size 1
