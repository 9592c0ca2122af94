# A file over several devices of which one is lost: what lies on the others is read and written, a read ends before what is lost, and
# when the device is back the file is whole.
# mount: none
# timeout: 120
needs_linux_that_asks_again
export GMEMFS_SIM_DEVICES=128M,96M,128M GMEMFS_SIM_FAULTS=@$PWD/plan
random_bytes 25165824 > data
for options in "--ecc=off" "--ecc=on" "--ecc=on --verify-reads"; do
    # shellcheck disable=SC2086 # several words
    "$GMEMFS" mount "$MNT" --simulate --device all --scrub-rate=0 $options --log="$PWD/log"
    mkdir "$MNT/wide"
    setfattr -n user.gmemfs.device -v spread:0-2 "$MNT/wide"
    cp data "$MNT/wide/file"
    cp data "$MNT/wide/other"
    cp data expected
    is "$(xattr user.gmemfs.extents "$MNT/wide/file" | json '[e["length"] >> 20 for e in d]')" "[8, 8, 8]"
    server=$(server_pid)
    echo "*@1#1+=ECC_UNCORRECTABLE" > new
    mv new plan
    is "$(errno_of "open('$MNT/wide/other', 'rb').read()")" EIO
    cat > parts.py << 'END_OF_PYTHON'
import errno, os, sys
path, data = sys.argv[1], open("expected", "rb").read()
MIB = 1 << 20
file, copy = os.open(path, os.O_RDWR), os.open("expected", os.O_RDWR)


def fails(what):
    try:
        what()
    except OSError as error:
        assert error.errno == errno.EIO, error
        return True
    return False


for at, size in ((0, 4096), (8 * MIB - 5, 5), (16 * MIB, MIB), (24 * MIB - 100, 100), (5 * MIB, 70001)):
    assert os.pread(file, size, at) == data[at : at + size], at
for at in (8 * MIB, 12 * MIB, 16 * MIB - 1):
    assert fails(lambda at=at: os.pread(file, 4096, at)), at
    assert fails(lambda at=at: os.pwrite(file, b"x", at)), at
for before in (1, 100, 4096, 65537):  # over the seam: what lies before it
    at = 8 * MIB - before
    assert os.pread(file, before + 4096, at) == data[at : at + before], before
for at in (3, 16 * MIB + 7, 23 * MIB):
    for fd in (file, copy):
        assert os.pwrite(fd, b"written", at) == 7, at
    assert os.pread(file, 9, at - 1) == os.pread(copy, 9, at - 1), at
os.fstat(file)
END_OF_PYTHON
    python3 parts.py "$MNT/wide/file"
    is "$(xattr user.gmemfs.extents "$MNT/wide/file" | json '["lost" in e for e in d]')" "[False, True, False]"
    is "$(size_of "$MNT/wide/file")" 25165824
    is "$(errno_of "import os; os.truncate('$MNT/wide/file', 40 << 20)")" EIO
    touch "$MNT/wide/made"
    is "$(errno_of "import os; os.truncate('$MNT/wide/made', 24 << 20)")" EIO
    is "$(size_of "$MNT/wide/made")" 0
    rm "$MNT/wide/made"
    # What is spread from now on is spread over those that live.
    mkdir "$MNT/rest"
    is "$(errno_of "import os; os.setxattr('$MNT/rest', 'user.gmemfs.device', b'spread:0-1')")" ENODEV
    setfattr -n user.gmemfs.device -v spread "$MNT/rest"
    is "$(xattr user.gmemfs.device "$MNT/rest")" spread:0,2
    cp data "$MNT/rest/file"
    cmp data "$MNT/rest/file"
    truncate -s 0 "$MNT/wide/other"
    rm "$MNT/wide/other"
    is "$(server_pid)" "$server"
    "$GMEMFS" restart "$MNT"
    python3 parts.py "$MNT/wide/file"
    cmp data "$MNT/rest/file"
    echo "*@1#1+=SUCCESS" > new
    mv new plan
    "$GMEMFS" stat "$MNT" > said
    "$GMEMFS" restart "$MNT"
    cmp expected "$MNT/wide/file"
    cp "$MNT/wide/file" "$MNT/wide/again"
    cmp expected "$MNT/wide/again"
    [ "$options" = --ecc=off ] || "$GMEMFS" verify "$MNT" > said
    "$GMEMFS" umount "$MNT"
done
