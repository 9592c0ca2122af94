# options: --ecc=on --allow-inject --scrub-every=1
# In the background all files are verified and repaired, again and again; what a peer may be writing is left alone.
scrubbed() { "$GMEMFS" stat --json "$MNT" | json "d['scrub']['$1']"; }
passes() { # until so many more have ended
    local end=$(($(scrubbed passes) + $1))
    for _ in $(seq 100); do [ "$(scrubbed passes)" -ge "$end" ] && return; sleep 0.1; done
    return 1
}
for name in a b c; do random_bytes 3000000 > "$name" && cp "$name" "$MNT/$name" && sync "$MNT/$name"; done
xattr user.fabric_handle "$MNT/c" > handle
is "$(xattr user.gmemfs.ecc "$MNT/c")" open
"$GMEMFS" inject "$MNT/a" --bits 10
"$GMEMFS" inject "$MNT/c" --bits 10 # as a peer would write
sha "$MNT/c" > theirs
passes 2
"$GMEMFS" verify "$MNT/a" "$MNT/b"
cmp a "$MNT/a"
[ "$(scrubbed blocks_repaired)" -gt 3 ]
[ "$(scrubbed blocks_scrubbed)" -gt 40 ]
is "$(scrubbed blocks_damaged)" 0
grep -qE 'scrub warning: inode [0-9]+: [0-9]+ blocks repaired' "$LOG"
is "$(sha "$MNT/c")" "$(cat theirs)"
is "$(xattr user.gmemfs.ecc "$MNT/c")" open
# What is beyond repair is told.
"$GMEMFS" inject "$MNT/b" --block 2 --bits 30000
passes 2
is "$(xattr user.gmemfs.ecc "$MNT/b")" damaged
grep -q 'blocks are damaged beyond repair, the first from byte 262144 on' "$LOG"
# An unlinked file gives its memory back however the scrubber stands.
rm "$MNT/a" "$MNT/b" "$MNT/c"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
