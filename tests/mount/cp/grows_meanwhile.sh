# A file that grows or shrinks while it is copied is read to its end; one that says nothing of its size, too.
head -c 40M /dev/zero | tr '\0' x > source
python3 - "$GMEMFS" "$MNT/f" <<'END'
import os, subprocess, sys
for grows in (True, False):
    for round in range(4):
        size = 40 << 20
        os.truncate("source", size)
        copy = subprocess.Popen([sys.argv[1], "cp", "source", sys.argv[2]])
        while copy.poll() is None:
            if grows and size < 50 << 20:
                size += 4096
                with open("source", "ab") as file: file.write(b"y" * 4096)
            elif not grows:
                size = max(size - 65536, 1)
                os.truncate("source", size)
        assert copy.returncode == 0, copy.returncode
        got, end = os.stat(sys.argv[2]).st_size, os.stat("source").st_size
        assert got <= end if grows else end <= got <= 40 << 20, (grows, got, end)
        data = open(sys.argv[2], "rb").read()
        assert len(data) == got
        if grows: assert data == b"x" * (40 << 20) + b"y" * (got - (40 << 20))
        os.remove(sys.argv[2])
        with open("source", "wb") as file: file.write(b"x" * (40 << 20))
END
for file in /proc/cpuinfo /proc/version /sys/kernel/mm/transparent_hugepage/enabled; do
    [ ! -r "$file" ] || [ "$(wc -c < "$file")" -gt 0 ]
    "$GMEMFS" cp "$file" "$MNT/f"
    [ "$(size_of "$MNT/f")" -gt 10 ]
done
