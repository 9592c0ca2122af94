# cp -r takes a tree in and out again.
# posix
mkdir -p tree/a/b
for number in {1..20}; do random_bytes $((number * 70001)) > "tree/a/b/f$number"; done
cp -r tree "$MNT"
cp -r "$MNT/tree" back
diff -r tree back
