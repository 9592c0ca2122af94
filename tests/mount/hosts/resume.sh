# pull --resume begins with what is there: after a failure, of an older file, and where nothing is missing.
# size: 512M
# timeout: 120
here_as_host
mkdir there
random_bytes 100000000 > there/file
# A channel that ends after 40 MB.
cat > breaks << 'END'
#!/usr/bin/env python3
import os, subprocess, sys
child = subprocess.Popen(sys.argv[2:], stdin=0, stdout=subprocess.PIPE)
left = 40000000
while left > 0: left -= os.write(1, os.read(child.stdout.fileno(), min(left, 1 << 16)))
child.kill()
END
chmod +x breaks
expect_error "talk to the other host" "$GMEMFS" pull -e "$PWD/breaks" --remote-program "$GMEMFS" host:"$PWD/there/file" "$MNT/file"
is "$(find "$MNT" -type f | wc -l)" 0
expect_error "talk to the other host" "$GMEMFS" pull --resume -e "$PWD/breaks" --remote-program "$GMEMFS" host:"$PWD/there/file" "$MNT/file"
fails test -e "$MNT/file"
is "$(find "$MNT" -name .gmemfs-part.file | wc -l)" 1
came=$(pull --resume --json host:"$PWD/there/file" "$MNT/file" | json 'd["bytes"]')
[ "$came" -le 70000000 ] && [ "$came" -ge 60000000 ] || { echo "$came bytes came"; exit 1; }
cmp there/file "$MNT/file"
is "$(find "$MNT" -type f | wc -l)" 1

# Nothing is missing: nothing comes, and the file is the same one.
before=$(stat -c %i "$MNT/file")
is "$(pull --resume --json host:"$PWD/there/file" "$MNT/file" | json 'd["bytes"], d["files"], d["files_there"]')" "(0, 0, 1)"
is "$(stat -c %i "$MNT/file")" "$before"

# One byte differs, in the fourth piece; the end is longer; and shorter.
printf x | dd of=there/file bs=1 seek=60000000 conv=notrunc status=none
is "$(pull --resume --json host:"$PWD/there/file" "$MNT/file" | json 'd["bytes"]')" 16777216
cmp there/file "$MNT/file"
echo more >> there/file
is "$(pull --resume --json host:"$PWD/there/file" "$MNT/file" | json 'd["bytes"]')" $((100000005 - 5 * 16777216))
cmp there/file "$MNT/file"
truncate -s 33554432 there/file
is "$(pull --resume --json host:"$PWD/there/file" "$MNT/file" | json 'd["bytes"]')" 0
cmp there/file "$MNT/file"
is "$(find "$MNT" -type f | wc -l)" 1

# A folder again: only what differs.
mkdir there/many
for number in $(seq 200); do echo "$number" > "there/many/$number"; done
pull -r host:"$PWD/there/many" "$MNT/many"
echo changed > there/many/77
is "$(pull -r --resume --json host:"$PWD/there/many" "$MNT/many" | json 'd["files"], d["files_there"], d["bytes"]')" "(1, 199, 8)"
diff -r there/many "$MNT/many"
