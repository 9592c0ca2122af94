# Every mode bit can be set and is kept.
# posix
touch "$MNT/f"
mkdir "$MNT/d"
for mode in 0 644 4755 2755 1777 7777 600; do
    chmod "$(printf %05d "$mode")" "$MNT/f" "$MNT/d" # five digits: chmod(1) keeps a directory's other bits else
    is "$(mode_of "$MNT/f") $(mode_of "$MNT/d")" "$mode $mode"
done
chmod u+x,g-r "$MNT/f"
is "$(mode_of "$MNT/f")" 700
