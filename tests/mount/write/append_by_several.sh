# Lines that several processes append are all there, and whole.
# posix
for writer in 1 2 3 4; do
    (for line in {1..200}; do echo "writer $writer line $line"; done | while read -r line; do echo "$line" >> "$MNT/f"; done) &
    pids[writer]=$!
done
for pid in "${pids[@]}"; do wait "$pid"; done
is "$(wc -l < "$MNT/f")" 800
is "$(sort -u "$MNT/f" | grep -c '^writer [1-4] line [0-9]*$')" 800
