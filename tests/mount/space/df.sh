# df tells the truth: size, used and available move with what is allocated.
avail() { df -B1 --output=avail "$MNT" | tail -n 1; }
is "$(df -B1 --output=used "$MNT" | tail -n 1 | tr -d ' ')" 0
before=$(avail)
truncate -s 32M "$MNT/f"
is $((before - $(avail))) $((32 << 20))
truncate -s 2M "$MNT/f"
is $((before - $(avail))) $((2 << 20))
rm "$MNT/f"
is "$(avail)" "$before"
