# A file is always ready: no operation of gmemfs is for poll(2), and libfuse itself says so.
python3 - "$MNT/file" <<'PYTHON'
import select, sys
for _ in range(3):
    with open(sys.argv[1], "w+b") as file:
        poll = select.poll()
        poll.register(file, select.POLLIN | select.POLLOUT)
        if poll.poll(1000) != [(file.fileno(), select.POLLIN | select.POLLOUT)]:
            sys.exit("poll: not ready")
PYTHON
echo text > "$MNT/file"
is "$(cat "$MNT/file")" text
