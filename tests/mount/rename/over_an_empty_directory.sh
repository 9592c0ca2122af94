# A directory may replace an empty one, and none that holds something.
# posix
mkdir "$MNT/source" "$MNT/empty" "$MNT/full"
touch "$MNT/source/f" "$MNT/full/g"
is "$(errno_of "os.rename('$MNT/source', '$MNT/full')")" ENOTEMPTY
mv -T "$MNT/source" "$MNT/empty"
is "$(ls "$MNT") $(ls "$MNT/empty")" $'empty\nfull f'
