# With --page-cache no write(2) is lost beside stores into other bytes of the same page by a shared mapping, and no store is.
# options: --page-cache
# timeout: 120
# posix
python3 "$TESTS/mapping/beside.py" "$MNT/f" 1 --strictly
random_bytes 3M > source
cp source "$MNT/copy"
cmp source "$MNT/copy"
cat source source > "$MNT/f"
is "$(size_of "$MNT/f")" 6291456
