# A long listing has each name once.
# posix
mkdir "$MNT/d"
(cd "$MNT/d" && seq -f 'file-%05.0f-with-a-name-of-some-length' 5000 | xargs touch)
is "$(find "$MNT/d" -type f | wc -l)" 5000
is "$(ls "$MNT/d" | sort -u | wc -l)" 5000
is "$(ls "$MNT/d" | sed -n 4321p)" file-04321-with-a-name-of-some-length
rm -r "$MNT/d"
