# Legacy IPC handles of a pool's blocks: what is one process's is another one's by 64 bytes, survives the first one, and isn't
# used again before the second one has closed it.
# size: 512M
needs_plain_pool
export MNT
PYTHONPATH="$TESTS/pool" python3 - <<'EOF'
from programs import *

# Both ways, small and large, through the address that the importer is told; two opens are one address and two closes.
first = Program("alloc=1000", "alloc=3000", "write=7", "share", "alloc=40000000", "write=8", "share",
                "wait", "read=5", "free", "read=6", "wait")
small, large = first.says(), first.says()
expect(len(small), 128)
expect(first.says(), "ready")
second = Program("import", "read=7", "import", "close", "read=7", "write=6", "wait", "close", "import", "read=8", "write=5", "wait", "close")
expect(second.asks(small, small), ["imported 3000", "imported 3000"])
expect(second.says(), "ready")
second.tell()
expect(second.asks(large), ["imported 40000000"])
expect(second.says(), "ready")
first.tell()
expect(first.says(), "ready")
second.ends()
first.ends()

# The process that made it; bytes that were changed, or made up; a block that was freed.
first = Program("alloc=3000", "share", "import", "wait", "free", "wait")
handle = first.says()
first.tell(handle)
expect(first.says(), "refused 201")
expect(first.says(), "ready")
spoilt = [handle[:2 * at] + "%02x" % (int(handle[2 * at:2 * at + 2], 16) ^ 1) + handle[2 * at + 2:] for at in range(64)]
second = Program(*["import"] * 66, "wait", "import")
answers = second.asks(*spoilt, "00" * 64, "a5" * 64)
assert all(answer.startswith("refused ") for answer in answers), answers
expect(second.says(), "ready")
first.tell()
expect(first.says(), "ready")
second.tell()
expect(second.asks(handle), ["refused 1"])
assert "it has been freed" not in second.ends()[1]  # the first refusal alone is said in words
first.ends()

# Memory that was freed while another process has it open isn't anybody else's before that has closed it, or is killed.
for how in "closed", "killed":
    first = Program("alloc=8000000", "write=1", "share", "wait", "free", *["alloc=8000000", "write=2"] * 7, "try=8000000",
                    "wait", "try=8000000", "write=3", options=("--limit", "64M"))
    handle = first.says()
    expect(first.says(), "ready")
    second = Program("import", "wait", "read=1", "close", "wait")
    expect(second.asks(handle), ["imported 8000000"])
    expect(second.says(), "ready")
    first.tell()
    expect(first.says(), "allocated: 2")
    expect(first.says(), "ready")
    if how == "killed":
        second.process.kill()
        second.process.wait()
    else:
        second.tell()
        expect(second.says(), "ready")
    first.tell()
    expect(first.says(), "allocated: 0")
    first.ends()
    if how == "closed":
        second.ends()

# What is mapped outlives its process; a handle doesn't.
first = Program("alloc=3000", "write=4", "share", "alloc=40000000", "write=5", "share", "wait")
small, large = first.says(), first.says()
expect(first.says(), "ready")
second = Program("import", "import", "wait", "read=5", "write=6", "read=6", "close", "read=4", "wait", "close", "import")
expect(second.asks(small, large), ["imported 3000", "imported 40000000"])
expect(second.says(), "ready")
first.process.kill()
first.process.wait()
second.tell()
expect(second.says(), "ready")
second.tell()
expect(second.asks(small), ["refused 1"])
second.ends()

# The driver's own handles are the driver's, whoever opens them; a program that isn't hooked can't open the pool's.
plain = Program("alloc=2097152", "write=9", "share", "wait", hooked=False)
handle = plain.says()
second = Program("import", "read=9", "close")
assert second.asks(handle)[0].startswith("imported "), "the driver's own"
second.ends()
plain.ends()
first = Program("alloc=3000", "share", "wait")
unhooked = Program("import", hooked=False)
expect(unhooked.asks(first.says()), ["refused 1"])
unhooked.ends()
first.ends()
EOF
nothing_is_used() { is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0; }
soon nothing_is_used
