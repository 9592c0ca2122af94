# A file that grows by truncate reads as zeros.
# posix
truncate -s 5000000 "$MNT/f"
is "$(size_of "$MNT/f")" 5000000
is "$(sha "$MNT/f")" "$(zeros 5000000)"
