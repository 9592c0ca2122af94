# What lies between the old end and a write far beyond it reads as zeros.
# posix
printf head > "$MNT/f"
printf tail | dd of="$MNT/f" bs=4 seek=12345678 oflag=seek_bytes conv=notrunc status=none
is "$(size_of "$MNT/f")" 12345682
is "$(head -c 4 "$MNT/f")$(tail -c 4 "$MNT/f")" headtail
is "$(tail -c +5 "$MNT/f" | head -c 12345674 | sha256sum | cut -d ' ' -f 1)" "$(zeros 12345674)"
