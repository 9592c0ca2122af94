# Making what is there fails, and so does removing what is no directory.
# posix
mkdir "$MNT/d"
touch "$MNT/f"
is "$(errno_of "os.mkdir('$MNT/d')")" EEXIST
is "$(errno_of "os.mkdir('$MNT/f')")" EEXIST
is "$(errno_of "os.rmdir('$MNT/f')")" ENOTDIR
is "$(errno_of "os.rmdir('$MNT/none')")" ENOENT
