# gmemfs cp -p keeps ACLs and adds none; without -p a new file gets what its folder hands down; save and restore keep them.
# needs: setfacl getfacl
needs_root
umask 027
mkdir "$MNT/from" "$MNT/plain" "$MNT/to"
printf data > "$MNT/from/listed"
printf data > "$MNT/from/unlisted"
chmod 644 "$MNT/from/unlisted"
setfacl -m u:5:rw,g::- "$MNT/from/listed"
setfacl -m d:u:6:rwx,d:o::- "$MNT/from"
setfacl -m d:u:7:rwx,d:o::- "$MNT/to"
shown() { (cd "$1" && find . | sort | xargs getfacl -n); }
same() { # same FOLDER OTHER: and there is something
    shown "$1" > one
    shown "$2" > other
    [ -s one ]
    diff one other
}

"$GMEMFS" cp -p "$MNT/from/listed" "$MNT/from/unlisted" "$MNT/to"
is "$(getfacl -c "$MNT/to/listed" "$MNT/to/unlisted" 2>&1)" "$(getfacl -c "$MNT/from/listed" "$MNT/from/unlisted" 2>&1)"
rm "$MNT"/to/*
"$GMEMFS" cp "$MNT/from/unlisted" "$MNT/to/copied"
cp "$MNT/from/unlisted" "$MNT/to/by_coreutils"
is "$(getfacl -c "$MNT/to/copied" 2>&1)" "$(getfacl -c "$MNT/to/by_coreutils" 2>&1)"
says '^user:7:rwx' getfacl -n "$MNT/to/copied"
"$GMEMFS" cp "$MNT/from/unlisted" "$MNT/plain/copied"
is "$(mode_of "$MNT/plain/copied")" 640
"$GMEMFS" cp - "$MNT/plain/streamed" < /dev/null
is "$(mode_of "$MNT/plain/streamed")" 640
"$GMEMFS" cp -rp "$MNT/from" "$MNT/to/from"
same "$MNT/from" "$MNT/to/from"

shown "$MNT" > before
"$GMEMFS" save "$MNT" saved
rm -r "${MNT:?}"/*
setfacl -m d:u:8:rwx "$MNT" # nothing that is restored gets this
mkdir "$MNT/into"
"$GMEMFS" restore saved "$MNT/into"
shown "$MNT/into" > after
[ "$(wc -l < before)" -gt 30 ]
diff <(sed 1,/^$/d before) <(sed 1,/^$/d after) # the root's own came from elsewhere
says '^default:user:8:rwx' getfacl -n "$MNT"
fails grep user:8 after
