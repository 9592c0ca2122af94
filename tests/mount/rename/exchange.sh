# RENAME_EXCHANGE swaps two names, of whatever kind.
# posix
exchange() { python3 -c 'import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
status = libc.renameat2(-100, os.fsencode(sys.argv[1]), -100, os.fsencode(sys.argv[2]), 2)
print(os.strerror(ctypes.get_errno()) if status else "OK")' "$@"; }
mkdir -p "$MNT/d/e"
echo text > "$MNT/f"
is "$(exchange "$MNT/d" "$MNT/f")" OK
is "$(cat "$MNT/d") $(ls "$MNT/f")" "text e"
is "$(exchange "$MNT/f/e" "$MNT/d")" OK
is "$(cat "$MNT/f/e") $(stat -c %F "$MNT/d")" "text directory"
is "$(exchange "$MNT/f" "$MNT/none")" "No such file or directory"
is "$(exchange "$MNT/f" "$MNT/f/e")" "Invalid argument"
