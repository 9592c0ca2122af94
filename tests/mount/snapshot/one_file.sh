# One file is saved by itself, through a symbolic link too, and restored into a folder under its name.
random_bytes 5M > "$MNT/weights"
chmod 640 "$MNT/weights"
ln -s weights "$MNT/link"
"$GMEMFS" save "$MNT/link" snapshot
is "$("$GMEMFS" restore --list snapshot)" "-rw-r-----        5242880 weights"
mkdir "$MNT/folder"
"$GMEMFS" restore snapshot "$MNT/folder"
is "$(ls -A "$MNT/folder")" weights
is "$(sha "$MNT/folder/weights") $(mode_of "$MNT/folder/weights")" "$(sha "$MNT/weights") 640"
refuses "--overwrite" "$GMEMFS" restore snapshot "$MNT/folder"
refuses "No such file" "$GMEMFS" save "$MNT/none" other
refuses "Is a directory" "$GMEMFS" save "$MNT/weights" "$MNT/folder"
is "$(status_of "$GMEMFS" restore snapshot)" 2
is "$(status_of "$GMEMFS" restore --list snapshot "$MNT")" 2
is "$(status_of "$GMEMFS" save "$MNT")" 2
