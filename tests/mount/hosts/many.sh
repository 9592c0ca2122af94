# A folder of 10,000 files comes whole, and takes no round trip a file: over a channel that delays every answer by 20 ms too.
# timeout: 240
mkdir there
python3 -c 'import os
for n in range(10000):
    os.makedirs(f"there/{n % 100}", exist_ok=True)
    with open(f"there/{n % 100}/{n}", "wb") as file: file.write(b"%d\n" % n * (n % 300))'
cat > rsh << 'END'
#!/usr/bin/env python3
# Each side's bytes arrive 20 ms later.
import os, subprocess, sys, threading, time, queue
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
def relay(source, target):
    late = queue.Queue()
    def read():
        while data := os.read(source, 1 << 20): late.put((time.monotonic() + 0.02, data))
        late.put((0, None))
    threading.Thread(target=read, daemon=True).start()
    while True:
        due, data = late.get()
        if data is None: break
        time.sleep(max(0, due - time.monotonic()))
        while data: data = data[os.write(target, data):]
    os.close(target)
to = threading.Thread(target=relay, args=(0, child.stdin.fileno()), daemon=True)
to.start()
relay(child.stdout.fileno(), 1)
sys.exit(child.wait())
END
here_as_host
told=$(pull -r --json host:"$PWD/there" "$MNT/copy")
is "$(json 'd["files"], d["failures"]' <<< "$told")" "(10000, 0)"
diff -r there "$MNT/copy"
# One by one they would take 40 ms each, so 400 s.
json 'd["all_seconds"] < 100 or d["all_seconds"]' <<< "$told" | grep True
