# A file handle (name_to_handle_at) opens its file, too, when the kernel has forgotten it, it was renamed, or another server
# serves it; not when the file is gone, nor in another mount, where numbers begin anew.
# mount: none
needs_root
[ -w /proc/sys/vm/drop_caches ] || skip "caches can't be dropped here"
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
handles() { python3 "$TESTS/by_handle/reopens.py" "$@"; }
mkdir -p "$MNT/d/e"
for name in f d/g d/e/h; do echo "text of $name" > "$MNT/$name"; done
handles get file "$MNT/f" "$MNT/d/g" "$MNT/d/e/h" "$MNT/d/e" "$MNT"
mv "$MNT/d/g" "$MNT/d/moved"
rm "$MNT/f"
expected="ESTALE
text of d/g
text of d/e/h
folder of h
folder of d"
check() { sync; echo 2 > /proc/sys/vm/drop_caches; is "$(handles open file "$MNT")" "$expected"; }
check
if python3 -c 'import os, sys; sys.exit(tuple(map(int, os.uname().release.split(".")[:2])) < (6, 9))'; then
    "$GMEMFS" restart "$MNT" > said
    check
    is "$(cat "$MNT/d/e/h")" "text of d/e/h"
fi
"$GMEMFS" umount "$MNT"
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
for name in a b c d e; do echo "another $name" > "$MNT/$name"; done
echo 2 > /proc/sys/vm/drop_caches
is "$(handles open file "$MNT" | uniq)" "ESTALE
folder of a,b,c,d,e" # the root alone
"$GMEMFS" umount "$MNT"
