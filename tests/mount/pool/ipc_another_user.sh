# A legacy IPC handle gives another user's process nothing: the mode of the block's file decides.
# options: -o allow_other
needs_plain_pool
needs_root
as_nobody test -x "$GMEMFS" || skip "nobody can't reach $GMEMFS here"
mkdir "$MNT/nobody"
chown 65534:65534 "$MNT/nobody"
PYTHONPATH="$TESTS/pool" python3 - <<'EOF'
from programs import *
first = Program("alloc=3000", "write=7", "share", "wait")
handle = first.says()
expect(first.says(), "ready")
os.environ["POOL"] = os.environ["MNT"] + "/nobody"
nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
second = Program("import", before=nobody)
expect(second.asks(handle), ["refused 800"])
assert "mode" in second.ends()[1]
first.ends()
# Root may read and write every file.
third = Program("alloc=3000", "write=8", "share", "wait", before=nobody)
os.environ["POOL"] = os.environ["MNT"] + "/work"
second = Program("import", "read=8", "close")
expect(second.asks(third.says()), ["imported 3000"])
second.ends()
third.ends()
EOF
