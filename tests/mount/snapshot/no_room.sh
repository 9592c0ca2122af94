# What doesn't fit is refused before anything is made; a disk that is full leaves no snapshot.
# size: 64M
truncate -s 40M "$MNT/a"
"$GMEMFS" save "$MNT" snapshot
mkdir "$MNT/folder"
refuses "40 MiB are needed" "$GMEMFS" restore snapshot "$MNT/folder"
nothing ls -A "$MNT/folder"
says 41943040 "$GMEMFS" restore --list snapshot
rm "$MNT/a"
"$GMEMFS" restore snapshot "$MNT/folder"
is "$(size_of "$MNT/folder/a")" 41943040
# The mount is the full disk.
head -c 60M /dev/zero | tr '\0' x > large
refuses "No space left" "$GMEMFS" save large "$MNT/snapshot"
is "$(ls -A "$MNT")" folder
