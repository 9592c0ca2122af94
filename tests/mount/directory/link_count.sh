# A directory has a link of its own name, of its dot, and of each subdirectory's dot-dot.
# posix
mkdir "$MNT/d"
is "$(stat -c %h "$MNT/d")" 2
mkdir "$MNT/d/a" "$MNT/d/b"
touch "$MNT/d/f"
is "$(stat -c %h "$MNT/d")" 4
rmdir "$MNT/d/a"
mv "$MNT/d/b" "$MNT/b"
is "$(stat -c %h "$MNT/d")" 2
