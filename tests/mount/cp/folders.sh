# -r copies a tree, links included, and -p keeps modes and times; without -r a folder is refused.
mkdir -p tree/deep/er
random_bytes 6M > tree/large
random_bytes 100 > tree/deep/small
: > tree/deep/er/empty
ln -s ../large tree/deep/link
chmod 640 tree/large
touch -d '2020-01-02 03:04:05.678901234' tree/large tree/deep
refuses "use -r" "$GMEMFS" cp tree "$MNT/"
"$GMEMFS" cp -rp tree "$MNT"
diff -r tree "$MNT/tree"
is "$(stat -c '%a %y' "$MNT/tree/large")" "$(stat -c '%a %y' tree/large)"
is "$(stat -c %Y "$MNT/tree/deep")" "$(stat -c %Y tree/deep)"
is "$(readlink "$MNT/tree/deep/link")" ../large
"$GMEMFS" cp -r "$MNT/tree" back
diff -r tree back
refuses "into itself" "$GMEMFS" cp -r "$MNT/tree" "$MNT/tree/deep"
