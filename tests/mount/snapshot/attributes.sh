# Capabilities and trusted attributes come back by root; who isn't root is told. Attributes that can't be listed stop nobody.
# needs: setcap getcap
needs_root
cp /bin/true "$MNT/program"
setcap cap_net_raw+ep "$MNT/program"
setfattr -n trusted.note -v kept "$MNT/program"
setfattr -n user.note -v mine "$MNT/program"
caps=$(getcap "$MNT/program" | sed 's/.* //')
[ -n "$caps" ]
"$GMEMFS" save "$MNT" snapshot
rm "$MNT/program"
"$GMEMFS" restore snapshot "$MNT"
is "$(getcap "$MNT/program" | sed 's/.* //')" "$caps"
is "$(xattr trusted.note "$MNT/program")" kept
is "$(xattr user.note "$MNT/program")" mine
mkdir out
chmod 755 .
chmod 644 snapshot
chown 65534 out
is "$(as_nobody "$GMEMFS" restore snapshot out 2>&1 | grep -v '^+')" \
    "gmemfs: 2 trusted attributes or capabilities were left out: only root sets them"
is "$(xattr user.note out/program)" mine
# A list of names that listxattr(2) can't carry is refused before it is that long, on every kind of attribute.
touch "$MNT/many"
python3 - "$MNT/many" <<'END'
import errno, os, sys
path, count = sys.argv[1], 0
try:
    while count < 1000:
        os.setxattr(path, "user." + f"{count:04}" * 61, b"")
        count += 1
except OSError as error:
    assert error.errno == errno.ENOSPC, error
assert count == 65536 // 250, count
assert len(os.listxattr(path)) == count
os.setxattr(path, "user." + "0000" * 61, b"another value")
os.removexattr(path, "user." + "0001" * 61)
os.setxattr(path, "user." + "n" * 244, b"")
END
"$GMEMFS" save "$MNT" snapshot
# Another filesystem lets them be set: they are left out, and said.
mkdir elsewhere
mount -t tmpfs none elsewhere
trap 'umount elsewhere' EXIT
echo data > elsewhere/many
echo other > elsewhere/other
python3 - elsewhere/many <<'END'
import os, sys
try:
    for count in range(600): os.setxattr(sys.argv[1], "user." + f"{count:04}" * 61, b"")
    os.listxattr(sys.argv[1])
except OSError:
    pass
END
if ! getfattr -d elsewhere/many > /dev/null 2>&1; then
    refuses "many: its extended attributes are left out" "$GMEMFS" save elsewhere snapshot
    "$GMEMFS" save --ignore-warnings elsewhere snapshot 2> /dev/null
    mkdir back
    "$GMEMFS" restore snapshot back
    is "$(cat back/many back/other)" "$(printf 'data\nother')"
fi
