# Who isn't root gets files of his own, without set-user-ID and device nodes; and a failure takes back what had its name.
needs_root
as_nobody test -x "$GMEMFS" || skip "nobody can't reach $GMEMFS here"
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
mkdir -p source/b
echo a > source/a
echo c > source/b/c
chmod 4755 source/a
chown 12:34 source/a
mknod source/null c 1 3
ln source/null source/null2
"$GMEMFS" save source snapshot
chmod 755 .
chmod 644 snapshot
mkdir out half
chown 65534:65534 out half
is "$("${nobody[@]}" "$GMEMFS" restore snapshot out 2>&1)" "gmemfs: 1 device nodes were left out: only root makes them"
is "$(ls out)" "$(printf 'a\nb')"
is "$(stat -c '%u %g %a' out/a)" "65534 65534 755"
is "$(cat out/b/c)" c
mkdir half/b # which nobody can't write to
refuses "b/c (Permission denied)" "${nobody[@]}" "$GMEMFS" restore snapshot half
is "$(ls -A half)" b
nothing ls -A half/b
# Nor does save leave anything where a file can't be read.
chmod 755 source
chmod 600 source/b/c
chmod 755 source/b
refuses "Permission denied" "${nobody[@]}" "$GMEMFS" save source out/other
is "$(ls -A out)" "$(printf 'a\nb')"
