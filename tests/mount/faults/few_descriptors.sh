# Where server and keeper may open few descriptors (an extent of the simulator is one in each), what needs one more is an error; what
# is there goes on, comes back with another server, and room that was given back is used again.
# mount: none
(ulimit -Sn 90; ulimit -Hn 90; exec "$GMEMFS" mount "$MNT" --simulate=1G --workers=2 --scrub-rate=0)
random_bytes 2M > source
refused=OK
for index in $(seq 100); do
    refused=$(errno_of "with open('$MNT/f$index', 'wb', 0) as file: file.write(open('source', 'rb').read())")
    [ "$refused" = OK ] || break
done
case $refused in EMFILE | EIO | ENOSPC) ;; *) echo "it gives $refused"; false ;; esac
[ "$index" -gt 20 ]
echo "full at $index: $refused"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["keeper"]')" alive
check() { for number in $(seq $((index - 1))); do cmp source "$MNT/f$number"; done; }
check
dd if=source of="$MNT/f1" conv=notrunc status=none
kill_server
"$GMEMFS" mount "$MNT" --simulate=1G # without that limit; the keeper has it still
check
rm "$MNT"/f[1-9] "$MNT/f$index"
cp source "$MNT/again"
cmp source "$MNT/again"
"$GMEMFS" umount "$MNT"
