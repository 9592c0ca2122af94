# A FIFO carries bytes from one process to another.
# posix
mkfifo "$MNT/fifo"
is "$(stat -c %F "$MNT/fifo")" fifo
echo through > "$MNT/fifo" &
is "$(timeout 10 cat "$MNT/fifo")" through
wait $!
rm "$MNT/fifo"
