# user.gmemfs.stats, on the root alone, is JSON whose counters move.
counted() { xattr user.gmemfs.stats "$MNT" | json "$1"; } # the look is a request itself, of another kind
written='d["bytes_written"], d["requests"].get("write", 0), d["requests"].get("create", 0)'
read='d["bytes_read"], d["requests"].get("read", 0) > 0'
is "$(counted "$written")" "(0, 0, 0)"
is "$(counted "$read")" "(0, False)"
head -c 1M /dev/zero | dd of="$MNT/f" bs=256k iflag=fullblock status=none
is "$(counted "$written")" "(1048576, 4, 1)"
is "$(counted "$read")" "(0, False)"
cat "$MNT/f" > /dev/null
is "$(counted "$read")" "(1048576, True)"
is "$(counted "$written")" "(1048576, 4, 1)"
is "$(counted 'd["used"], d["files"]')" "(2097152, 2)"
is "$(errno_of "os.getxattr('$MNT/f', 'user.gmemfs.stats')")" ENODATA
