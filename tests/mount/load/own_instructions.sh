# What gmemfs itself adds to a request of 4 KiB: 1,450 instructions to a write, 1,330 to a read (callgrind); a regression shows here.
# mount: none
# needs: valgrind
# timeout: 240
[ -z "${SANITIZE:-}" ] || skip "valgrind and a sanitizer don't go together"
python3 "$TESTS/../bench/instructions.py" "write 4 KiB" "read 4 KiB" --requests 300 --limit 1500
