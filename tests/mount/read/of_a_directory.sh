# A directory isn't read as a file.
# posix
mkdir "$MNT/d"
is "$(errno_of "os.read(os.open('$MNT/d', 0), 1)")" EISDIR
is "$(errno_of "os.open('$MNT/d', os.O_RDWR)")" EISDIR
