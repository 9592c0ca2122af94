# An old file of the name stays whole until the new one takes its place; who has the old one open keeps it.
random_bytes 5M > old
random_bytes 6M > new
cp old "$MNT/file"
exec 3< "$MNT/file"
"$GMEMFS" cp new "$MNT/file"
is "$(sha "$MNT/file")" "$(sha new)"
is "$(sha256sum <&3 | cut -d ' ' -f 1)" "$(sha old)"
exec 3<&-
