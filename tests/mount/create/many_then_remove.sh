# Two thousand files come and go, and the directory is empty again.
# posix
seq 2000 | sed "s,^,$MNT/f," | xargs touch
is "$(ls "$MNT" | wc -l)" 2000
rm -r "${MNT:?}"/*
nothing ls -A "$MNT"
