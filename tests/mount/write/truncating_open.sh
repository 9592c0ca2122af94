# Opening with O_TRUNC empties the file; what is written next is all there is.
# posix
random_bytes 3M > "$MNT/f"
echo short > "$MNT/f"
is "$(cat "$MNT/f")" short
: > "$MNT/f"
is "$(size_of "$MNT/f")" 0
