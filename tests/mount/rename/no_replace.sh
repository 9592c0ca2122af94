# RENAME_NOREPLACE leaves what is there.
# posix
rename_flag() { python3 -c 'import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
status = libc.renameat2(-100, os.fsencode(sys.argv[2]), -100, os.fsencode(sys.argv[3]), int(sys.argv[1]))
print(os.strerror(ctypes.get_errno()) if status else "OK")' "$@"; }
echo a > "$MNT/a"
echo b > "$MNT/b"
is "$(rename_flag 1 "$MNT/a" "$MNT/b")" "File exists"
is "$(rename_flag 1 "$MNT/a" "$MNT/c")" OK
is "$(cat "$MNT/b" "$MNT/c")" $'b\na'
