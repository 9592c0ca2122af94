# cp in and cp out: the checksums agree.
# posix
random_bytes 37000001 > source
cp source "$MNT/f"
cp "$MNT/f" copy
is "$(sha copy)" "$(sha source)"
is "$(size_of "$MNT/f")" 37000001
