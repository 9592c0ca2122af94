# overlayfs takes a folder of the mount as its upper one.
needs_root
mkdir lower "$MNT/upper" "$MNT/work" merged
mkdir -p lower/d/e
for name in a d/b d/e/c; do echo "lower $name" > "lower/$name"; done
mount -t overlay -o "lowerdir=$PWD/lower,upperdir=$MNT/upper,workdir=$MNT/work" none merged || skip "no overlayfs here"
trap 'umount -l "$PWD/merged" || true' EXIT
echo upper >> merged/a
chmod 640 merged/d/b
rm merged/d/e/c
mv merged/a merged/d/moved
mkdir merged/new
setfattr -n user.tag -v v merged/d/b
rm -r merged/d/e
mkdir merged/d/e
is "$(cat merged/d/moved)" "lower a
upper"
is "$(mode_of merged/d/b) $(xattr user.tag merged/d/b) $(ls merged merged/d merged/d/e | tr '\n' ' ')" \
    "640 v merged: d new  merged/d: b e moved  merged/d/e: "
is "$(cat lower/a)" "lower a"
umount merged
mount -t overlay -o "lowerdir=$PWD/lower,upperdir=$MNT/upper,workdir=$MNT/work" none merged
is "$(ls merged/d merged/d/e | tr '\n' ' ')" "merged/d: b e moved  merged/d/e: "
umount merged
