# What is copied in by the mapped memory is what read(2) gives, and what is copied out is the same again; of every size.
for size in 0 1 4095 1048577 4194304 8388609 20000003; do
    random_bytes "$size" > source
    "$GMEMFS" cp source "$MNT/file"
    is "$(sha "$MNT/file")" "$(sha source)"
    "$GMEMFS" cp --verify "$MNT/file" target
    is "$(sha target)" "$(sha source)"
done
is "$(ls -A "$MNT")" file
is "$("$GMEMFS" stat --json "$MNT" | json 'd["leases"]')" 0
