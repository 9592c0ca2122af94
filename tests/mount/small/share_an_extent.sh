# Small files share extents: du tells what each takes, df what all take, and it comes back.
python3 - "$MNT" << 'EOF'
import sys
for number in range(2000):
    with open(f"{sys.argv[1]}/{number}", "wb") as file:
        file.write(b"%d" % number * 500)
EOF
is "$(du -B1 "$MNT/7" | cut -f 1)" 4096
used() { df -B1 --output=used "$MNT" | tail -n 1; }
[ "$(used)" -le $((10 << 20)) ]
[ "$(used)" -ge "$(du -sB1 "$MNT" | cut -f 1)" ]
python3 - "$MNT" << 'EOF'
import sys
for number in range(2000):
    with open(f"{sys.argv[1]}/{number}", "rb") as file:
        assert file.read() == b"%d" % number * 500, number
EOF
rm "$MNT"/*
is "$(used | tr -d ' ')" 0
