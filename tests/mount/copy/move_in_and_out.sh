# mv from another filesystem and back keeps contents, mode and time.
# posix
random_bytes 3000001 > f
chmod 751 f
touch -d 2001-02-03 f
sum=$(sha f)
mv f "$MNT/f"
is "$(sha "$MNT/f") $(stat -c '%a %Y' "$MNT/f")" "$sum 751 981158400"
mv "$MNT/f" f
is "$(sha f) $(stat -c '%a %Y' f) $(ls -A "$MNT")" "$sum 751 981158400 "
