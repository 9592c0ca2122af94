# tar x unpacks a tree that is the same as the one packed.
# needs: tar
# posix
mkdir -p tree/a/b tree/empty
for number in {1..60}; do random_bytes $((number * 1001)) > "tree/a/f$number"; done
ln -s ../f1 tree/a/b/link
ln tree/a/f1 tree/hard
chmod 751 tree/a/f2
touch -d 2001-02-03 tree/a/f3
tar c --format=posix tree | tar x -C "$MNT"
diff -r tree "$MNT/tree"
listing() { (cd "$1" && find . -printf '%p %M %T@ %n %l\n' | sort | grep -v '^\. '); }
is "$(listing "$MNT/tree" | grep -v ' d' )" "$(listing tree | grep -v ' d')"
