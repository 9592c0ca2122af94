# A device, a fifo, a terminal and /dev/stdout are written into, and stay what they are; numbers of threads are checked.
random_bytes 5000001 > source
cp source "$MNT/f"
sum=$(sha source)
mkfifo fifo
sha256sum < fifo > read_of_fifo &
"$GMEMFS" cp "$MNT/f" fifo
wait $!
is "$(cut -d ' ' -f 1 read_of_fifo)" "$sum"
[ -p fifo ]
is "$("$GMEMFS" cp "$MNT/f" /dev/stdout | sha256sum | cut -d ' ' -f 1)" "$sum"
"$GMEMFS" cp "$MNT/f" /dev/stdout > file
is "$(sha file)" "$sum"
# - goes on where standard output stands, and standard input too.
{ printf abc; "$GMEMFS" cp "$MNT/f" -; } > file
{ printf abc; cat source; } | cmp - file
printf 'first\nsecond\n' > lines
{ read -r line; "$GMEMFS" cp - "$MNT/rest"; } < lines
is "$(cat "$MNT/rest")" "$(cat lines)" || is "$(cat "$MNT/rest")" second
# What can't be opened is not replaced either, by force neither: of a socket open(2) says ENXIO.
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' socket
ln -s socket to_socket
for target in socket to_socket; do
    refuses "No such device or address" "$GMEMFS" cp "$MNT/f" "$target"
    refuses "No such device or address" "$GMEMFS" cp --force "$MNT/f" "$target"
done
[ -S socket ]
is "$(readlink to_socket)" socket
# Reading one works as well.
cat source > fifo &
"$GMEMFS" cp fifo "$MNT/from_fifo"
wait $!
is "$(sha "$MNT/from_fifo")" "$sum"
if [ "$(id -u)" = 0 ]; then
    mknod full c 1 7
    mknod null c 1 3
    "$GMEMFS" cp "$MNT/f" null
    [ -c null ]
    refuses "No space left" "$GMEMFS" cp "$MNT/f" full
    [ -c full ]
fi
for wrong in 0 -3 x 1.5 ''; do is "$(status_of "$GMEMFS" cp --threads="$wrong" source "$MNT/x")" 2; done
fails test -e "$MNT/x"
"$GMEMFS" cp --threads=1000 source "$MNT/x"
is "$(sha "$MNT/x")" "$sum"
for command in save restore; do is "$(status_of "$GMEMFS" $command --threads=0 source file)" 2; done
