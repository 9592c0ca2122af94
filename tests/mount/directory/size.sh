# A directory's size tells how many entries it has, as on tmpfs: 20 bytes each, and two more.
# posix
size() { stat -c %s "$1"; }
mkdir "$MNT/d" "$MNT/e"
is "$(size "$MNT/d")" 40
touch "$MNT/d/one" "$MNT/d/two"
mkdir "$MNT/d/three"
ln "$MNT/d/one" "$MNT/d/four"
ln -s one "$MNT/d/five"
is "$(size "$MNT/d")" 140
mv "$MNT/d/two" "$MNT/e/two"
is "$(size "$MNT/d") $(size "$MNT/e")" "120 60"
mv "$MNT/d/one" "$MNT/e/two" # which is replaced
is "$(size "$MNT/d") $(size "$MNT/e")" "100 60"
rm "$MNT/d/four" "$MNT/d/five"
rmdir "$MNT/d/three"
is "$(size "$MNT/d")" 40
