# machine: systemd as the first process of private namespaces (mounts, processes, control groups), over a view of this
# machine's files that it can write to without changing them. What it is: a container made by hand, since none of the
# tools that make one need be here.
#
#   machine_start    returns when systemd says that it runs; skips where this machine can't have it
#   inside CMD...    runs a command in there
#   machine_stop     as `poweroff` does, and waits
#
# In there: build/ is /opt/gmemfs, ./state is /var/lib/gmemfs (so that it outlives the machine), ./etc is /etc/gmemfs.

machine_boot() { # runs in the new namespaces
    set -e
    lets_go_of_mounts
    mount -t tmpfs tmpfs "$PWD/machine"
    cd machine
    mkdir upper work root
    mount -t overlay overlay -o "lowerdir=/,upperdir=upper,workdir=work" root
    cd root
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=755 tmpfs dev
    for node in null zero full random urandom tty fuse; do
        touch "dev/$node"
        mount --bind "/dev/$node" "dev/$node"
    done
    touch dev/console dev/kmsg ../../kmsg
    mount --bind /dev/null dev/console
    mount --bind ../../kmsg dev/kmsg # where systemd writes its log
    mkdir -m 1777 dev/shm
    ln -s /proc/self/fd dev/fd
    rm -rf etc/systemd/system etc/machine-id
    mkdir -p etc/systemd/system mnt/gpu opt/gmemfs usr/local/bin var/lib/gmemfs etc/gmemfs
    : > etc/fstab
    echo 0123456789abcdef0123456789abcdef > etc/machine-id
    printf '[Unit]\nDescription=Nothing but what is tested\n' > etc/systemd/system/default.target
    mount --bind "$BUILD" opt/gmemfs
    mount --bind ../../state var/lib/gmemfs
    mount --bind ../../etc etc/gmemfs
    cp "$UNIT" etc/systemd/system/
    ln -sf /opt/gmemfs/gmemfs usr/local/bin/gmemfs
    exec chroot . /usr/bin/env -i container=other "PATH=$PATH" /lib/systemd/systemd --system --log-target=kmsg --show-status=no
}

inside() { nsenter --target "$machine_pid" --mount --pid --cgroup --root --wd=/ "$@"; }

machine_start() {
    needs_mount_namespaces
    [ -x /lib/systemd/systemd ] || skip "no systemd here"
    machine_groups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/gmemfs-test-$$
    mkdir "$machine_groups" 2> /dev/null || skip "no control groups of version 2 to write to here"
    trap 'kill -KILL "$machine_pid" "$machine_job" 2> /dev/null || true; sleep 0.2; remove_groups' EXIT
    mkdir machine state etc
    export UNIT=$TESTS/../../docs/examples/gmemfs@.service
    BUILD=$(realpath "$(dirname "$GMEMFS")")
    (
        echo "$BASHPID" > "$machine_groups/cgroup.procs"
        export -f machine_boot lets_go_of_mounts
        exec unshare --pid --fork --kill-child --mount --cgroup --uts --ipc bash -c machine_boot > console 2>&1 < /dev/null
    ) &
    machine_job=$!
    for _ in $(seq 200); do
        machine_pid=$(cat "/proc/$machine_job/task/$machine_job/children" 2> /dev/null | tr -d ' ')
        [ -d "/proc/$machine_job" ] || skip "systemd can't start in namespaces here: $(tail -1 console)"
        [ -n "$machine_pid" ] && [ "$(inside systemctl is-system-running 2> /dev/null)" = running ] && return
        sleep 0.05
    done
    cat console kmsg
    skip "systemd doesn't come up in namespaces here: $(tail -1 console)"
}

remove_groups() { find "$machine_groups" -depth -type d -exec rmdir {} + 2> /dev/null || true; }

machine_stop() {
    inside systemctl poweroff
    gone "$machine_job"
}
