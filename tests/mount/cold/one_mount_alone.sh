# pack -r stays in the mount: what is mounted below the directory isn't touched.
# needs: mount
needs_root
mkdir -p "$MNT/d/other"
weights 8388608 > "$MNT/d/model"
mount -t tmpfs none "$MNT/d/other"
echo data > "$MNT/d/other/file"
"$GMEMFS" pack -r "$MNT/d" > said || { umount "$MNT/d/other"; exit 1; }
umount "$MNT/d/other"
is "$(cat said)" "$MNT/d/model: 8 MiB -> 6 MiB (1.33)"
