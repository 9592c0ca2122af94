# user.gmemfs.digest is what docs/formats.md says, for every length; it changes with the contents, and with nothing else.
cat > digest.py << 'P'
import hashlib, sys
data = open(sys.argv[1], "rb").read()
level = data
while True:
    level = b"".join(hashlib.sha256(level[at:at + 4096]).digest() for at in range(0, len(level), 4096))
    if len(level) <= 32: break
print("sha256-tree-4k:" + hashlib.sha256(b"gmemfs-digest-1\n" + len(data).to_bytes(8, "little") + level).hexdigest())
P
digest() { xattr user.gmemfs.digest "$MNT/$1"; }
touch "$MNT/empty" && : > empty
is "$(digest empty)" "$(python3 digest.py empty)"
for size in 1 55 56 63 64 65 119 4095 4096 4097 524287 524288 524289 2097152 2097153 5000000 70000000; do
    random_bytes $size > "f$size"
    cp "f$size" "$MNT/f"
    is "$size $(digest f)" "$size $(python3 digest.py "f$size")"
done
before=$(digest f)
mv "$MNT/f" "$MNT/g"
is "$(digest g)" "$before"
printf y | dd of="$MNT/g" bs=1 seek=69999999 conv=notrunc status=none # that was x, perhaps
before=$(digest g)
for change in "printf x | dd of=$MNT/g bs=1 seek=69999999 conv=notrunc status=none" "truncate -s 60M $MNT/g" \
    "truncate -s 61M $MNT/g" "fallocate -p -o 1M -l 4096 $MNT/g" "fallocate -z -o 2M -l 100 $MNT/g" "printf x >> $MNT/g" \
    "dd if=$MNT/g of=$MNT/g bs=4096 count=1 seek=9 conv=notrunc status=none"; do
    eval "$change"
    after=$(digest g)
    [ "$after" != "$before" ] || { echo "the same after: $change"; exit 1; }
    cp "$MNT/g" copy
    is "$after" "$(python3 digest.py copy)"
    before=$after
done
# Known until then: asked again it takes no kernel.
is "$(digest g)" "$before"
is "$(errno_of "os.getxattr('$MNT', 'user.gmemfs.digest')")" ENODATA
