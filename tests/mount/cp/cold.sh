# A source that no cache holds is read past the cache, one that is there in part from both; the bytes are the same.
# needs: fincore
cached() { fincore --bytes --noheadings --output RES "$1" | tr -d ' '; }
drop() { python3 -c 'import os, sys; fd = os.open(sys.argv[1], os.O_RDONLY); os.fsync(fd); os.posix_fadvise(fd, 0, 0, 4)' "$1"; }
dd if=/dev/zero of=probe bs=1M count=8 status=none
drop probe
[ "$(cached probe)" = 0 ] && dd if=probe of=/dev/null bs=1M iflag=direct status=none 2> /dev/null ||
    skip "this folder is on no disk that can be read past the cache"
for size in 4194304 8388609 20000003; do
    random_bytes "$size" > source
    drop source
    "$GMEMFS" cp source "$MNT/file"
    is "$(cached source)" 0
    is "$(sha "$MNT/file")" "$(sha source)"
    drop source
    dd if=source of=/dev/null bs=1M skip=1 count=2 status=none
    "$GMEMFS" cp source "$MNT/part"
    cmp source "$MNT/part"
    for attempt in 1 2 3 4 5; do # a kernel may take unused pages back at any time
        drop source
        "$GMEMFS" cp --buffered source "$MNT/buffered"
        has=$(cached source)
        if [ "$has" -ge "$size" ]; then break; fi
    done
    [ "$has" -ge "$size" ]
    cmp source "$MNT/buffered"
done
# Bytes that aren't on the disk yet come, too.
random_bytes 6M > source
"$GMEMFS" cp source "$MNT/dirty"
cmp source "$MNT/dirty"
