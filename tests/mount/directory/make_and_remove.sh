# A directory is made, listed, and removed.
# posix
mkdir -p "$MNT/a/b/c"
is "$(ls "$MNT/a")" b
rmdir "$MNT/a/b/c"
fails test -e "$MNT/a/b/c"
rm -r "$MNT/a"
nothing ls -A "$MNT"
