# Memory that held another file's bytes shows none of them.
# posix
random_bytes 32M > "$MNT/old"
rm "$MNT/old"
truncate -s 32M "$MNT/new"
is "$(sha "$MNT/new")" "$(zeros 32M)"
