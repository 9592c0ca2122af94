# user.gmemfs.pool lists the blocks of a pool's file: used, freed and waiting for a fence, idle; without a gap, and without the
# program, which may be stopped. Other files have none, and neither has a kept one whose program has ended.
# mount: none
# size: 512M
needs_plain_pool
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
start_run --keep "$BUILD/pool/program" needed alloc=1000 alloc=3000000 free alloc=512 alloc=40000000 create=0x4000000 wait \
    free free alloc=600 wait
said ready
here=$MNT/work/program.$PROGRAM_PID
blocks() { # FILE [FROM]
    xattr "user.gmemfs.pool${2+.$2}" "$here/$1" |
        json '" ".join("%d+%d=%s" % (b["offset"], b["size"], b["state"]) + ("(%d)" % b["asked"] if "asked" in b else "") for b in d)'
}
kill -STOP "$PROGRAM_PID"
is "$(blocks arena-0)" "0+1024=used(1000) 1024+3000320=waiting(3000000) 3001344+512=used(512) 3001856+64107008=idle"
is "$(blocks arena-0 1500)" "1024+3000320=waiting(3000000) 3001344+512=used(512) 3001856+64107008=idle"
is "$(blocks arena-0 3001856)" "3001856+64107008=idle"
is "$(xattr user.gmemfs.pool.67108864 "$here/arena-0")" "[]"
is "$(blocks alloc-000000-40MiB)" "0+41943040=used(40000000)"
is "$(blocks alloc-000001-64MiB)" "0+67108864=used(67108864)"
"$GMEMFS" pool stat --blocks "$here/arena-0" > table
is "$(awk '{ print $1, $2, $3 }' table)" "offset size state
0 1024 used
1024 3000320 waiting
3001344 512 used
3001856 64107008 idle"
is "$("$GMEMFS" pool stat --blocks --json "$here/arena-0" | json 'len(d), d[3]["state"]')" "(4, 'idle')"
echo other > "$MNT/other"
for file in "$MNT/other" "$here"; do
    expect_error "No such attribute" getfattr -n user.gmemfs.pool "$file"
done
for name in user.gmemfs.pool. user.gmemfs.pool.x user.gmemfs.pool.-1 user.gmemfs.pool.99999999999999999999; do
    expect_error "No such attribute" getfattr -n "$name" "$here/arena-0"
done
expect_error "is no file of a running program's pool" "$GMEMFS" pool stat --blocks "$MNT/other"
kill -CONT "$PROGRAM_PID"
crash_server
is "$(blocks arena-0)" "0+1024=used(1000) 1024+3000320=waiting(3000000) 3001344+512=used(512) 3001856+64107008=idle"
go_on
said ready
is "$(ls "$here")" "arena-0"
is "$(blocks arena-0)" "0+1024=used(1000) 1024+1024=used(600) 2048+2999296=idle 3001344+512=used(512) 3001856+64107008=idle"
"$GMEMFS" restart "$MNT"
is "$(blocks arena-0 2048)" "2048+2999296=idle 3001344+512=used(512) 3001856+64107008=idle"
kill -KILL "$PROGRAM_PID"
wait "$PROGRAM_PID" || true
no_peers_left
expect_error "No such attribute" getfattr -n user.gmemfs.pool "$here/arena-0"
"$GMEMFS" umount "$MNT"
