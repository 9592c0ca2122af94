# Worker, supervisor and the filesystem's server are killed in turn while clients write, discard and read a thin disk: every
# block is what was last answered for it, and in the end all memory is back.
# mount: none
# timeout: 180
# size: 896M
# needs: nbdsh
needs_linux_that_asks_again
"$GMEMFS" mount "--simulate=$SIZE" --log "$LOG" "$MNT"
serve "$MNT/disk" --thin --size 64G --queues 2
cat > load.py <<'P'
# Each lane has parts of its own, some of which it shares with another one. What isn't answered is asked again.
import nbd, os, random, sys, threading

uri, block, failures, count = sys.argv[1], 4096, [], 0

def connected():
    while True:
        try:
            h = nbd.NBD()
            h.connect_uri(uri)
            return h
        except nbd.Error:
            if os.path.exists("enough"):
                raise

class Lane(threading.Thread):
    def __init__(self, number):
        super().__init__()
        self.random, self.number, self.model, self.h = random.Random(number), number, {}, connected()

    def ask(self, call):
        while True:
            try:
                return call()
            except nbd.Error as error:
                if error.errnum in (5, 28):  # EIO and ENOSPC, of the disk
                    raise
                self.h = connected()

    def check(self, at):
        got = self.ask(lambda: self.h.pread(block, at))
        assert got == self.model.get(at, bytes(block)), (self.number, hex(at), got[:20])

    def run(self):
        global count
        try:
            while not os.path.exists("enough"):
                part = self.random.choice((3 * self.number, 3 * self.number + 1, 100 + self.number // 2))
                first = (part << 26) + self.number * block
                at = first + self.random.randrange(64) * 8 * block
                action = self.random.random()
                if action < 0.5:
                    data = (b"%d %d " % (self.number, count) * 1024)[:block]
                    self.ask(lambda: self.h.pwrite(data, at))
                    self.model[at] = data
                elif action < 0.7:
                    self.ask(lambda: self.h.trim(block, at))
                    self.model.pop(at, None)
                elif action < 0.75:  # all of a part's, so that it goes
                    for mine in [one for one in self.model if one >> 26 == part]:
                        self.ask(lambda: self.h.trim(block, mine))
                        del self.model[mine]
                else:
                    self.check(at)
                count += 1
            for at in list(self.model):
                self.check(at)
                self.ask(lambda: self.h.trim(block, at))
        except BaseException as error:
            failures.append(error)

lanes = [Lane(number) for number in range(4)]
for lane in lanes:
    lane.start()
for lane in lanes:
    lane.join()
print(count, "operations")
sys.exit(f"{failures}" if failures else 0)
P
/usr/bin/python3 load.py "$NBD" &
load=$!
pid_of() { device_says "$MNT/disk" "d$1"; }
for round in 1 2 3 4 5 6 7; do
    has_spare "$MNT/disk"
    kill -KILL "$(pid_of '["worker"]["pid"]')"
    has_spare "$MNT/disk"
    crash_server
    kill -KILL "$(pid_of '["worker"]["pid"]')" # while there is no server
    has_spare "$MNT/disk"
    supervisor=$(pid_of '["supervisor"]')
    kill -KILL "$supervisor"
    gone "$supervisor"
    [ $((round % 2)) = 0 ] || crash_server
    timeout 40 bash -c 'until "$1" block --adopt "$2" 2>> said; do :; done' - "$GMEMFS" "$NBD_SOCKET" || { uniq -c said; exit 1; }
done
touch enough
wait "$load"
has_parts "$MNT/disk" 0
"$GMEMFS" block --detach "$MNT/disk"
"$GMEMFS" umount "$MNT"
