# With --atomic an old file of the name stays whole until the new one takes its place; who has the old one open keeps it.
# Owner, mode, ACL and attributes stay, and a symbolic link to it; the old one's other names keep the old file.
random_bytes 5M > old
random_bytes 6M > new
cp old "$MNT/file"
chmod 640 "$MNT/file"
setfattr -n user.note -v kept "$MNT/file"
[ "$(id -u)" != 0 ] || chown 12:34 "$MNT/file"
before=$(stat -c '%a %u:%g' "$MNT/file")
ln -s file "$MNT/link"
ln "$MNT/file" "$MNT/other"
exec 3< "$MNT/file"
"$GMEMFS" cp --atomic new "$MNT/link"
is "$(readlink "$MNT/link")" file
is "$(sha "$MNT/file")" "$(sha new)"
is "$(sha "$MNT/other")" "$(sha old)"
is "$(stat -c '%a %u:%g' "$MNT/file")" "$before"
is "$(xattr user.note "$MNT/file")" kept
is "$(sha256sum <&3 | cut -d ' ' -f 1)" "$(sha old)"
exec 3<&-
# Without it the file itself is written into, as by cp: all its names, and processes that have it open, see the new bytes.
exec 3< "$MNT/other"
"$GMEMFS" cp new "$MNT/other"
"$GMEMFS" cp old "$MNT/file"
is "$(sha "$MNT/other")" "$(sha new)"
is "$(sha256sum <&3 | cut -d ' ' -f 1)" "$(sha new)"
exec 3<&-
is "$(stat -c '%a %u:%g' "$MNT/file")" "$before"
is "$(status_of "$GMEMFS" cp --atomic --force new "$MNT/file")" 2
