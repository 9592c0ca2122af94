# RENAME_WHITEOUT leaves a device of number 0 behind; so overlayfs takes the mount as its upper directory.
# options: -o dev
# posix
needs_root
rename_flag() { python3 -c 'import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
status = libc.renameat2(-100, os.fsencode(sys.argv[2]), -100, os.fsencode(sys.argv[3]), int(sys.argv[1]))
print(os.strerror(ctypes.get_errno()) if status else "OK")' "$@"; }
echo a > "$MNT/a"
echo b > "$MNT/b"
is "$(rename_flag 4 "$MNT/a" "$MNT/b")" OK
is "$(cat "$MNT/b") $(stat -c '%F %t %T %h' "$MNT/a")" "a character special file 0 0 1"
is "$(rename_flag 5 "$MNT/b" "$MNT/a")" "File exists"
is "$(rename_flag 4 "$MNT/none" "$MNT/c")" "No such file or directory"
is "$(ls "$MNT")" $'a\nb'
rm "$MNT/a" "$MNT/b"

# What follows needs overlayfs, and not every kernel has it.
grep -qw overlay /proc/filesystems || modprobe -q overlay 2> /dev/null || skip "whiteouts are right; no overlayfs here to take the mount"
needs_mount_namespaces
mkdir lower "$MNT/upper" "$MNT/work" merged
echo below > lower/f
echo below > lower/g
unshare --mount bash -eu << 'EOF'
mount -t overlay none -o lowerdir=lower,upperdir="$MNT/upper",workdir="$MNT/work" merged
echo more >> merged/f
rm merged/g
mv merged/f merged/h
[ "$(ls merged)" = h ]
[ "$(cat merged/h)" = $'below\nmore' ]
EOF
is "$(stat -c %F "$MNT/upper/g")" "character special file"
is "$(cat "$MNT/upper/h")" $'below\nmore'
