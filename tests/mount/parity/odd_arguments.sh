# verify refuses once what lies in no mount, and looks at nothing but files of the mount; df and stat take many, and say what fails.
# options: --ecc=on
refuses "/etc is on no gmemfs mount" "$GMEMFS" verify /etc
is "$("$GMEMFS" verify /etc /proc nothing 2>&1 | wc -l)" 3
is "$(status_of "$GMEMFS" verify /)" 1
echo data > "$MNT/f"
mkdir "$MNT/folder"
mkfifo "$MNT/folder/fifo"
ln -s /etc/passwd "$MNT/folder/link"
ln -s .. "$MNT/folder/above"
echo data > "$MNT/folder/g"
is "$("$GMEMFS" verify "$MNT" | wc -l)" 2
refuses "folder/fifo" "$GMEMFS" verify "$MNT/folder/fifo"
refuses "folder/link is on no gmemfs mount" "$GMEMFS" verify "$MNT/folder/link"
is "$("$GMEMFS" verify "$MNT/folder/g" "$MNT/nothing" "$MNT/f" 2> /dev/null | wc -l)" 2
is "$(status_of "$GMEMFS" verify "$MNT/f" "$MNT/nothing")" 1
# One wrong path doesn't hide the others.
is "$("$GMEMFS" df --json "$MNT" nothing "$MNT/f" 2> /dev/null | json 'len(d)')" 2
is "$(status_of "$GMEMFS" df "$MNT" nothing)" 1
is "$("$GMEMFS" stat --json "$MNT/f" nothing "$MNT/folder" 2> /dev/null | json '[e["type"] for e in d]')" "['file', 'folder']"
is "$(status_of "$GMEMFS" stat "$MNT/f" nothing)" 1
says "^folder " "$GMEMFS" stat "$MNT/folder"
says "^fifo " "$GMEMFS" stat "$MNT/folder/fifo"
refuses "find (Invalid argument)" "$GMEMFS" stat ""
