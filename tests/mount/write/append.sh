# cat >> adds to the end, each time.
# posix
for number in {1..40}; do
    random_bytes $((number * 3001)) > part
    cat part >> whole
    cat part >> "$MNT/f"
done
cmp whole "$MNT/f"
