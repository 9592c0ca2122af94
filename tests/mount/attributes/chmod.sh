# Every mode bit can be set and is kept.
# posix
touch "$MNT/f"
mkdir "$MNT/d"
for mode in 0 644 4755 2755 1777 7777 600; do
    chmod 0 "$MNT/d"
    chmod "$mode" "$MNT/f" "$MNT/d"
    is "$(mode_of "$MNT/f") $(mode_of "$MNT/d")" "$mode $(mode_of "$MNT/d")"
done
chmod 01777 "$MNT/d" # five digits: chmod(1) keeps a directory's other bits else
is "$(mode_of "$MNT/d")" 1777
chmod u+x,g-r "$MNT/f"
is "$(mode_of "$MNT/f")" 700
