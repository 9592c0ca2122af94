# What can't be is said before anything is run.
# needs: cc
needs_plain_pool
refuses "no gmemfs mount" "$GMEMFS" run --pool "$PWD" true
mkdir "$MNT/file.d"
touch "$MNT/file"
refuses "Not a directory" "$GMEMFS" run --pool "$MNT/file" true
refuses "No such file" "$GMEMFS" run --pool "$MNT/none/below" true
is "$(status_of "$GMEMFS" run --pool "$MNT/work" no-such-program)" 127
is "$(status_of "$GMEMFS" run --pool "$MNT/work" /etc/passwd)" 126
expect_error "linked statically" "$GMEMFS" run --pool "$MNT/work" "$BUILD/guest-programs/hog"
printf '#!%s\n' "$BUILD/guest-programs/hog" > script
chmod +x script
expect_error "linked statically" "$GMEMFS" run --pool "$MNT/work" ./script
is "$(status_of "$GMEMFS" run --pool "$MNT/work")" 2
expect_error "no less than 2 MiB" "$GMEMFS" run --limit 1M --pool "$MNT/work" true
is "$(status_of "$GMEMFS" run --limit 1M --pool "$MNT/work" true)" 2
is "$(status_of "$GMEMFS" run --limit much --pool "$MNT/work" true)" 2
is "$(status_of "$GMEMFS" run --pool "$MNT/work" sh -c 'exit 7')" 7
is "$("$GMEMFS" run --pool "$MNT/work" -- sh -c 'echo "$1"' sh --limit)" --limit
if [ "$(id -u)" = 0 ]; then
    cp "$BUILD/pool/program" setuid
    chown 65534 setuid
    chmod 4755 setuid
    expect_error "set-user-ID" "$GMEMFS" run --pool "$MNT/work" ./setuid
fi
echo 'int cuMemAlloc_v2(void) { return 0; }' | cc -shared -fPIC -o hook.so -x c -
expect_error "hook.so is preloaded, and hooks cuMemAlloc_v2 as well" env LD_PRELOAD="$PWD/hook.so" "$GMEMFS" run --pool "$MNT/work" true
is "$(status_of "$GMEMFS" pool list "$MNT/work")" 2
refuses "no gmemfs mount" "$GMEMFS" pool stat "$PWD"
says "no process has memory here" "$GMEMFS" pool stat "$MNT/work"
