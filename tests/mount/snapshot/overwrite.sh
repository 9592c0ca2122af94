# Without --overwrite a name that is there stops all; with it files are replaced, and what else is there stays.
mkdir -p source/folder/sub
echo new > source/folder/file
echo new > source/folder/sub/file
"$GMEMFS" save source snapshot
mkdir -p "$MNT/folder"
echo old > "$MNT/folder/file"
echo mine > "$MNT/folder/other"
refuses "folder/file: use --overwrite" "$GMEMFS" restore snapshot "$MNT"
is "$(cd "$MNT" && find . -type f | sort | xargs cat)" "$(printf 'old\nmine')"
fails test -e "$MNT/folder/sub"
"$GMEMFS" restore --overwrite snapshot "$MNT"
is "$(cat "$MNT/folder/file" "$MNT/folder/other" "$MNT/folder/sub/file")" "$(printf 'new\nmine\nnew')"
is "$(ls -A "$MNT")" folder
# A folder that is there isn't replaced by a file; a file is by a folder.
rm -r "$MNT/folder/file" "$MNT/folder/sub"
mkdir "$MNT/folder/file"
echo old > "$MNT/folder/sub"
refuses "Is a directory" "$GMEMFS" restore --overwrite snapshot "$MNT"
is "$(cat "$MNT/folder/sub")" old
rmdir "$MNT/folder/file"
"$GMEMFS" restore --overwrite snapshot "$MNT"
is "$(cat "$MNT/folder/sub/file")" new
