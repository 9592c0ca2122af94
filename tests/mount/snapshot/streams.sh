# A snapshot goes into a pipe, a fifo, a device or what a link points to, and comes from a pipe.
mkdir -p source/folder
random_bytes 9000001 > source/large
seq 1000 > source/folder/lines
"$GMEMFS" save source - | "$GMEMFS" restore - "$MNT"
diff -r source "$MNT"
"$GMEMFS" save source - > snapshot
"$GMEMFS" restore --check snapshot
is "$("$GMEMFS" save source - | "$GMEMFS" restore --list - | awk '{ print $1, $2, $3 }')" \
    "$(printf '%s\n' 'drwxr-xr-x 0 .' 'drwxr-xr-x 0 folder' "-rw-r--r-- 9000001 large" "-rw-r--r-- $(size_of source/folder/lines) folder/lines")"
mkfifo fifo
"$GMEMFS" restore --check fifo & check=$!
"$GMEMFS" save source fifo
wait "$check"
[ -p fifo ]
ln -s snapshot link
"$GMEMFS" save source link
is "$(readlink link)" snapshot
"$GMEMFS" restore --check snapshot
ln -s nowhere dangling
refuses "symbolic link to nothing" "$GMEMFS" save source dangling
fails test -e nowhere
is "$(ls)" "$(printf '%s\n' dangling fifo link snapshot source)"
# Cut short, and longer than its end.
head -c 5000000 snapshot > cut
mkdir out
refuses "cut short" "$GMEMFS" restore - out < <(cat cut)
refuses "follows its end" "$GMEMFS" restore - out < <(cat snapshot cut)
nothing ls -A out
is "$(status_of "$GMEMFS" save --json source -)" 2
refuses "read again" "$GMEMFS" restore --verify - out < <(cat snapshot)
if [ "$(id -u)" = 0 ]; then
    mknod null c 1 3
    mknod full c 1 7
    "$GMEMFS" save source null
    [ -c null ]
    refuses "No space left" "$GMEMFS" save source full
    [ -c full ]
fi
