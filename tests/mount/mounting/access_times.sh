# When reading changes the access time: as the mount's options say, as Linux does it on tmpfs; /proc/mounts shows them; they may be
# changed by a remount, and hold after a crash.
# mount: none
needs_root
mkdir other
read_after() { # read_after MOUNT AGE: the year of last access, after a read of a file with times that long ago
    touch -m -d "$2" "$1/f"
    touch -a -d "$2" "$1/f"
    cat "$1/f"
    echo "$(stat -c %x "$1/f" | cut -c 1-4)"
}
no_atime_flag() { python3 -c 'import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NOATIME); os.read(fd, 9); print(os.stat(fd).st_atime < 1e9)' "$1/f"; }
# Accessed an hour after the change: relatime leaves that, strictatime doesn't.
recently() { touch -m -d "-2 hours" "$1/f"; touch -a -d "-1 hour" "$1/f"; local before; before=$(stat -c %X "$1/f"); cat "$1/f"
    [ "$(stat -c %X "$1/f")" = "$before" ] && echo stays || echo changes; }
steps() {
    echo x > "$1/f"
    echo "$(read_after "$1" 2001-01-01 | tail -c 5) $(recently "$1" | tail -n 1)"
    touch -a -d 2001-01-01 "$1/f"
    no_atime_flag "$1"
    grep " $1 " /proc/self/mounts | cut -d ' ' -f 4 | tr , '\n' | grep -E 'atime|^ro$|^rw$' | sort
}
for option in relatime noatime strictatime nodiratime norelatime atime diratime nostrictatime noatime,nodiratime lazytime; do
    mount -t tmpfs -o "$option" none "$PWD/other"
    steps "$PWD/other" > expected
    umount "$PWD/other"
    "$GMEMFS" mount --simulate=64M -o "$option" "$MNT"
    steps "$MNT" > said
    diff expected said || { echo "with $option"; false; }
    "$GMEMFS" umount "$MNT"
done
"$GMEMFS" mount --simulate=64M "$MNT"
echo x > "$MNT/f"
is "$(read_after "$MNT" 2001-01-01 | tail -n 1)" "$(date +%Y)"
"$GMEMFS" mount -o remount,noatime "$MNT"
soon() { timeout 10 bash -c 'until '"$1"'; do sleep 0.05; done'; } # the server is told by the kernel, and a little later
never() { is "$(read_after "$MNT" 2001-01-01 | tail -n 1)" 2001; }
export -f never read_after is
export MNT
soon never
crash_server
never
"$GMEMFS" mount -o remount,relatime "$MNT"
soon '! never > /dev/null'
"$GMEMFS" umount "$MNT"
