# --max-files: so many names of all kinds, the root among them; df -i tells.
# options: --max-files 5
mkdir "$MNT/d"
touch "$MNT/a" "$MNT/b"
ln -s a "$MNT/link"
expect_error "No space left on device" touch "$MNT/c"
expect_error "No space left on device" mkdir "$MNT/e"
is "$(df --output=itotal,iused,iavail "$MNT" | tail -n 1 | tr -s ' ' | sed 's/^ //')" "5 5 0"
ln "$MNT/a" "$MNT/hard" # another name, no other file
rm "$MNT/b"
touch "$MNT/c"
