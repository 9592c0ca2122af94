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
# Two folders: each has the other's folder above it, which has as many links as before.
mkdir -p "$MNT/a/one" "$MNT/b/two"
is "$(exchange "$MNT/a/one" "$MNT/b/two")" OK
is "$(stat -c %i "$MNT/a/one/.." "$MNT/b/two/..")" "$(stat -c %i "$MNT/a" "$MNT/b")"
mv "$MNT/f/e" "$MNT/text"
mkdir "$MNT/f/deep"
is "$(exchange "$MNT/f/deep" "$MNT/text")" OK
is "$(stat -c %h "$MNT/f") $(stat -c %i "$MNT/text/..")" "2 $(stat -c %i "$MNT")"
is "$(exchange "$MNT/f/deep" "$MNT/text")" OK
is "$(stat -c %h "$MNT/f") $(stat -c %i "$MNT/f/deep/..")" "3 $(stat -c %i "$MNT/f")"
is "$(exchange "$MNT/f" "$MNT/none")" "No such file or directory"
is "$(exchange "$MNT/f" "$MNT/f/deep")" "Invalid argument"
