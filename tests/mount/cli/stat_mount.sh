# stat of a mount tells the server and the devices.
"$GMEMFS" stat "$MNT" | grep -q .
"$GMEMFS" stat "$MNT" --json > said
tr '\0' ' ' < "/proc/$(json 'd["server_pid"]' < said)/cmdline" | grep -q mount
is "$(json 'len(d["devices"])' < said)" 1
