# A tree with all kinds of things in it comes back as it was: on a mount, and from it on disk.
describe() { # a line for each name: what it is, whose, when, its attributes; and which names are one inode
    (cd "$1" && find . -mindepth 1 ! -name '.gmemfs-restore*' -printf '%P\0' | sort -z | xargs -0 stat -c '%F %a %u:%g %s %h %t,%T %y %n' |
        sed 's/^\(directory [^ ]* [^ ]*\) [0-9]* [0-9]*/\1/'
        find . -type f -printf '%P\0' | sort -z | xargs -0 sha256sum
        find . \( -type f -o -type d \) -mindepth 1 -printf '%P\0' | sort -z | xargs -0 getfattr -d -m '^user\.[^a]' -e hex 2>/dev/null
        find . -type l -printf '%P -> %l\n' | sort
        find . -samefile hard -printf '%P\n' | sort)
}
mkdir -p "$MNT/deep/er/folder" "$MNT/empty folder"
random_bytes 9000001 > "$MNT/large"
random_bytes 100 > "$MNT/deep/small"
random_bytes 524288 > "$MNT/deep/shared"
truncate -s 13M "$MNT/sparse"
printf x | dd of="$MNT/sparse" bs=1 seek=9000000 conv=notrunc status=none
: > "$MNT/deep/empty"
head -c 300 /dev/zero > "$MNT/small zeros"
ln "$MNT/large" "$MNT/hard"
ln "$MNT/large" "$MNT/deep/er/hard too"
ln -s ../large "$MNT/deep/link"
ln -s /nowhere "$MNT/dangling"
mkfifo -m 620 "$MNT/pipe"
if [ "$(id -u)" = 0 ]; then
    mknod "$MNT/null" c 1 3
    chown 12:34 "$MNT/deep/small"
    chown -h 56:78 "$MNT/dangling"
fi
printf 'a\nname' > "$MNT/$(printf 'line\nbreak \303\251')"
setfattr -n user.note -v "$(printf 'a\tb')" "$MNT/large"
setfattr -n user.empty "$MNT/deep"
chmod 4751 "$MNT/deep/small"
chmod 0 "$MNT/deep/empty"
chmod 1777 "$MNT/deep/er"
chmod 500 "$MNT/deep/er/folder"
find "$MNT" -mindepth 1 -depth -print0 | xargs -0 touch -h -d '2020-01-02 03:04:05.678901234'
touch -d '1969-12-31 12:00:00.5' "$MNT/deep/small"
describe "$MNT" > before
"$GMEMFS" save --verify "$MNT" tree.snapshot
is "$(mode_of tree.snapshot)" 600
"$GMEMFS" restore --check tree.snapshot
mkdir disk
"$GMEMFS" restore --verify tree.snapshot disk
describe disk > on_disk
diff before on_disk
is "$("$GMEMFS" save --json disk disk.snapshot | json 'd["bytes"]')" \
    "$((9000001 + 100 + 524288 + 13 * 1048576 + 300 + 6))"
chmod 700 "$MNT/deep/er/folder"
rm -rf "${MNT:?}"/*
"$GMEMFS" restore --verify disk.snapshot "$MNT"
describe "$MNT" > after
diff before after
is "$("$GMEMFS" stat --json "$MNT/large" | json 'len(d["extents"])')" 1
nothing find "$MNT" -name '.gmemfs-restore*'
grep -q user.note before
