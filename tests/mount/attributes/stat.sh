# stat tells each kind of file by its name, and no two share a number.
# posix
touch "$MNT/f"
mkdir "$MNT/d"
ln -s f "$MNT/l"
mkfifo "$MNT/p"
is "$(stat -c %F "$MNT"/* | tr '\n' ,)" "directory,regular empty file,symbolic link,fifo,"
is "$(stat -c %i "$MNT" "$MNT"/* | sort -u | wc -l)" 5
is "$(stat -c %d "$MNT" "$MNT"/* | sort -u | wc -l)" 1
