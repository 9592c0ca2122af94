# A file doesn't replace a directory, nor a directory a file.
# posix
mkdir "$MNT/d"
touch "$MNT/f"
is "$(errno_of "os.rename('$MNT/f', '$MNT/d')")" EISDIR
is "$(errno_of "os.rename('$MNT/d', '$MNT/f')")" ENOTDIR
is "$(errno_of "os.rename('$MNT/none', '$MNT/f')")" ENOENT
is "$(errno_of "os.rename('$MNT/f', '$MNT/none/f')")" ENOENT
