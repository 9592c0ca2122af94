# After the death of server and supervisor the next mount on that place has the packed files, and with parity their parity.
# options: --ecc=on --allow-inject
# server: killed
weights 9000001 --mixed > model
cp model "$MNT/model"
"$GMEMFS" pack "$MNT/model"
before=$(stat -c '%i %s %b %y' "$MNT/model")
kill_server
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --allow-inject
is "$(stat -c '%i %s %b %y' "$MNT/model")" "$before"
is "$(where "$MNT/model")" packed
"$GMEMFS" inject "$MNT/model" --bits 9
"$GMEMFS" scrub "$MNT/model"
cmp model "$MNT/model"
"$GMEMFS" unpack "$MNT/model"
cmp model "$MNT/model"
"$GMEMFS" umount "$MNT"
