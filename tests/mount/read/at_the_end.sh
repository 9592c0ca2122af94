# A read at the end or beyond it gives nothing.
# posix
printf abc > "$MNT/f"
nothing dd if="$MNT/f" bs=1 skip=3 status=none
is "$(dd if="$MNT/f" bs=1 skip=2 status=none)" c
is "$(python3 -c "import os; print(len(os.pread(os.open('$MNT/f', 0), 10, 1 << 40)))")" 0
