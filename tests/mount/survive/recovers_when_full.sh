# A server that dies while its device is full to the last extent is followed by another one.
# mount: none
# server: killed
"$GMEMFS" mount "$MNT" --simulate=32M --keeper=on
head -c 64M /dev/urandom > "$MNT/f" 2> /dev/null || true
is "$(errno_of "os.truncate('$MNT/g', 2 << 20) if open('$MNT/g', 'x') else 0")" ENOSPC
sum=$(sha "$MNT/f")
kill_server
"$GMEMFS" mount "$MNT" --simulate=32M
is "$(sha "$MNT/f")" "$sum"
rm "$MNT/f"
truncate -s 8M "$MNT/g"
"$GMEMFS" umount "$MNT"
