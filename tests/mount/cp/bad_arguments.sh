# Each mistake is one line that names the file and the reason, and leaves nothing.
random_bytes 5M > source
refuses "none (No such file" "$GMEMFS" cp none "$MNT/file"
refuses "no/such/folder (No such file" "$GMEMFS" cp source "$MNT/no/such/folder"
refuses "the same file" "$GMEMFS" cp source source
cp source "$MNT/a"
refuses "the same file" "$GMEMFS" cp "$MNT/a" "$MNT/a"
refuses "$MNT/a (Not a directory)" "$GMEMFS" cp source source "$MNT/a"
is "$(status_of "$GMEMFS" cp source)" 2
is "$(ls -A "$MNT")" a
