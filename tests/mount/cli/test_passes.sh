# gmemfs test says what it did, and how fast; the device has its memory back afterwards.
# mount: none
"$GMEMFS" test --simulate=128M --size 62M --ecc --seed 7 > said 2> complaints
nothing cat complaints
is "$(tail -n 1 said)" passed
grep -q "seed 7" said
for step in allocate fill "read back and compare" encode verify "make errors" repair "verify again" free; do
    grep -q "^ok  *$step " said
done
grep -q "^ok  *encode .* ms .* GB/s" said
grep -q "plain memory: 65011712 bytes, 0 mismatches" said
grep -q "496 blocks of 128 KiB; errors made in 56 of them" said
grep -q "found 56 blocks; repaired 48 .* beyond repair, and not written 8" said
fails grep -q "^fail" said
