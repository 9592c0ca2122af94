# Nothing is created below what isn't there, or isn't a directory.
# posix
touch "$MNT/f"
is "$(errno_of "open('$MNT/no/f', 'w')")" ENOENT
is "$(errno_of "open('$MNT/f/g', 'w')")" ENOTDIR
