# A directory that holds something isn't removed.
# posix
mkdir "$MNT/d"
touch "$MNT/d/f"
is "$(errno_of "os.rmdir('$MNT/d')")" ENOTEMPTY
rm "$MNT/d/f"
rmdir "$MNT/d"
