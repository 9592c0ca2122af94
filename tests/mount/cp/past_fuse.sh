# A large file's bytes don't go through FUSE: the server counts no write and no read of them.
random_bytes 20M > source
"$GMEMFS" cp source "$MNT/file"
"$GMEMFS" cp "$MNT/file" target
is "$("$GMEMFS" stat --json "$MNT" | json 'd["bytes_written"], d["bytes_read"]')" "(0, 0)"
is "$(sha target)" "$(sha source)"
