# A descriptor opened for reading writes nothing, one for writing reads nothing.
# posix
printf abc > "$MNT/f"
is "$(errno_of "os.write(os.open('$MNT/f', os.O_RDONLY), b'x')")" EBADF
is "$(errno_of "os.read(os.open('$MNT/f', os.O_WRONLY), 1)")" EBADF
is "$(cat "$MNT/f")" abc
