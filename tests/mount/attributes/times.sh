# touch -d sets both times, to the nanosecond.
# posix
touch -d '2001-02-03 04:05:06.123456789' "$MNT/f"
is "$(stat -c '%.9X %.9Y' "$MNT/f")" "981173106.123456789 981173106.123456789"
touch -m -d '1969-12-31 23:59:59' "$MNT/f"
is "$(stat -c '%X %Y' "$MNT/f")" "981173106 -1"
touch -a "$MNT/f"
[ "$(stat -c %X "$MNT/f")" -ge 1700000000 ]
is "$(stat -c %Y "$MNT/f")" -1
