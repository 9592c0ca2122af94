# options: --ecc=on --verify-reads --allow-inject
# server: killed
# Parity is made anew over what the keeper has kept, and follows and repairs as before.
random_bytes 3000000 > good
cp good "$MNT/f"
echo small > "$MNT/g"
mkdir "$MNT/d"
kill_server
"$GMEMFS" mount --simulate="$SIZE" --ecc=on --verify-reads --allow-inject "$MNT"
cmp good "$MNT/f"
is "$(xattr user.gmemfs.ecc "$MNT/f")" current
is "$(xattr user.gmemfs.ecc "$MNT/d")" on
"$GMEMFS" verify "$MNT"
"$GMEMFS" inject "$MNT/f" --bits 9
cmp good "$MNT/f"
"$GMEMFS" verify "$MNT"
