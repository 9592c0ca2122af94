# Where no ACL is set, the owner's requests are as many as with --acl=off, and another user asks once for each file.
# options: -o allow_other
needs_root
python3 - "$MNT" << 'EOF'
import json, os, sys
mount, FILES = sys.argv[1], 100
paths = [f"{mount}/d/{number}" for number in range(FILES)]

def asked():  # how often for attributes; this asks itself, too
    return json.loads(os.getxattr(mount, "user.gmemfs.stats"))["requests"]["getxattr"]

def during(call):
    asking = -asked() + asked()
    before = asked()
    call()
    return asked() - before - asking

def as_nobody(call):
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        call()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

def each(call):
    return lambda: [call(path) for path in paths]

os.mkdir(mount + "/d")
make = each(lambda path: os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o644)))
read = each(lambda path: os.close(os.open(path, os.O_RDONLY)))
assert during(make) == 0
assert during(each(os.stat)) == 0
assert during(read) == 0
# The root's isn't remembered by every kernel: a request a lookup; the folder's and the files' are.
first, again = during(lambda: as_nobody(read)), during(lambda: as_nobody(read))
assert FILES <= first <= 2 * FILES + 5, first
assert again <= FILES + 2, again
EOF
