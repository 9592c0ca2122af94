# df right after rm shows the memory as free, although the kernel forgets the inode a moment later.
for _ in 1 2 3 4 5; do
    truncate -s 64M "$MNT/a"
    truncate -s 64M "$MNT/b"
    rm "$MNT/a" "$MNT/b"
    is "$(df -B1 --output=used "$MNT" | tail -n 1 | tr -d ' ')" 0
done
