# stat of a mount tells the server and the devices.
says "^server_pid  *[0-9]" "$GMEMFS" stat "$MNT"
"$GMEMFS" stat "$MNT" --json > said
says "$GMEMFS mount $MNT" tr '\0' ' ' < "/proc/$(json 'd["server_pid"]' < said)/cmdline"
is "$(json 'len(d["devices"])' < said)" 1
