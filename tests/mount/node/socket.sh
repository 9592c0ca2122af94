# A Unix socket can be bound to a name.
# posix
cd "$MNT"
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("s")'
is "$(stat -c %F s)" socket
rm s
cd /
