# A file that one truncate allocated is one extent, whatever its size.
for size in 1 2M 2097153 100M; do
    truncate -s "$size" "$MNT/f"
    is "$(xattr user.gmemfs.extents "$MNT/f" | json 'len(d)')" 1
    rm "$MNT/f"
done
