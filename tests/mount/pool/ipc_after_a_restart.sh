# A legacy IPC handle of a pool's block names it to the next server as well, and while that is about to come.
# mount: none
needs_plain_pool
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
export MNT
PYTHONPATH="$TESTS/pool" python3 - <<'EOF'
import signal
from programs import *

first = Program("alloc=3000", "write=7", "share", "wait")
handle = first.says()
expect(first.says(), "ready")
subprocess.run([os.environ["GMEMFS"], "restart", os.environ["MNT"]], check=True)
second = Program("import", "wait", "read=7", "write=8", "close", "import", "read=8", "close")
expect(second.asks(handle), ["imported 3000"])
expect(second.says(), "ready")
os.kill(int(os.getxattr(os.environ["MNT"], "user.gmemfs.stats").split(b'"server_pid":')[1].split(b",")[0]), signal.SIGKILL)
second.tell()
expect(second.asks(handle), ["imported 3000"])
second.ends()
first.ends()
EOF
"$GMEMFS" umount "$MNT"
