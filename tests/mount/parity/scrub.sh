# options: --ecc=on --allow-inject
# gmemfs verify finds and changes nothing, scrub repairs; both take directories, and say with their status how it went.
mkdir "$MNT/d"
for name in a b d/c; do random_bytes 3000000 > "${name##*/}" && cp "${name##*/}" "$MNT/$name"; done
touch "$MNT/empty"
sync "$MNT"/a "$MNT"/b "$MNT"/d/c
"$GMEMFS" verify "$MNT" > said
is "$(grep -c 'all right' said)" 4
"$GMEMFS" inject "$MNT/d/c" --bits 12
is "$(status_of "$GMEMFS" verify "$MNT")" 1
is "$(status_of "$GMEMFS" verify "$MNT")" 1
is "$(status_of "$GMEMFS" verify "$MNT/a" "$MNT/b" "$MNT/empty")" 0
"$GMEMFS" scrub --json "$MNT" > said
is "$(json '[f["wrong"] == f["repaired"] > 0 for f in d["files"]].count(True), d["without_parity"]' < said)" "(1, 0)"
is "$(status_of "$GMEMFS" verify "$MNT")" 0
cmp c "$MNT/d/c"
# What has no parity is passed over below a directory, and an error by itself.
setfattr -n user.gmemfs.ecc -v off "$MNT/d"
echo plain > "$MNT/d/plain"
is "$("$GMEMFS" verify --json "$MNT" | json 'd["without_parity"], len(d["files"])')" "(1, 4)"
expect_error "it has no parity" "$GMEMFS" verify "$MNT/d/plain"
expect_error "is on no gmemfs mount" "$GMEMFS" verify /etc/passwd
expect_error "No such file" "$GMEMFS" scrub "$MNT/nothing"
is "$(status_of "$GMEMFS" verify)" 2
is "$(status_of "$GMEMFS" inject "$MNT/a" --bits 0)" 2
refuses "not so many bits" "$GMEMFS" inject "$MNT/a" --bits 20000000
