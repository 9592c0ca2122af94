# setfacl, getfacl, chmod and cp -a say and do what they do on tmpfs, errors included.
# options: -o allow_other
# needs: setfacl getfacl
steps() {
    umask 022
    mkdir d
    touch f d/before
    ln -s f link
    setfacl -m u:65534:rw,g:7:r f
    getfacl f
    stat -c '%A %n' f
    chmod 600 f                        # the mask goes, the entries stay
    getfacl f
    chmod 660 f
    getfacl f
    setfacl -m d:u:65534:rwx,d:o::- d
    touch d/file
    mkdir d/folder
    ln -s nowhere d/link
    mkfifo d/fifo
    (umask 077; touch d/masked)        # no umask where a default ACL is
    find d ! -type l | sort | xargs getfacl
    stat -c '%A %n' d/*
    cp -a f copy
    cp -a d copied
    find copy copied ! -type l | sort | xargs getfacl
    cp --no-preserve=all f plain
    getfacl plain
    setfacl -x u:65534 f
    getfacl f
    setfacl -b f
    setfacl -k d
    getfacl f d
    setfacl -m d:u:1:r f               # only a directory has a default one
    setfacl -m u::rw,g::r,o::- f       # no more than a mode: none is kept
    python3 -c 'import os; print(sorted(os.listxattr("f")), sorted(os.listxattr("copied")))'
    stat -c '%A' f
    setpriv --reuid=65534 --regid=65534 --clear-groups setfacl -m u:1:r f
    # a set-group-ID bit goes where somebody sets an ACL who isn't of the group
    install -m 2755 -o 65534 -g 5 /dev/null program
    setpriv --reuid=65534 --regid=65534 --clear-groups setfacl -m u:1:r program
    stat -c '%A %n' program
    install -m 2755 -o 65534 -g 65534 /dev/null own
    setpriv --reuid=65534 --regid=65534 --clear-groups setfacl -m u:1:r own
    stat -c '%A %n' own
    install -m 2755 -o 65534 -g 5 /dev/null removed
    setfacl -m u:1:r removed
    chmod 2755 removed
    setpriv --reuid=65534 --regid=65534 --clear-groups setfacl -b removed
    stat -c '%A %n' removed
}
same_on_tmpfs steps
