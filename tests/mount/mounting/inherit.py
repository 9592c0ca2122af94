#!/usr/bin/env python3
# inherit: starts a command under one hostile inheritance, or looks at what the processes of a mount have of it.
#
#   inherit.py KIND COMMAND...        KIND: a name below
#   inherit.py --kinds                lists them
#   inherit.py --look PID...          a line for each thing that a process shouldn't have of who started it
import os, resource, signal, sys, tempfile


def close_standard():
    for fd in (0, 1, 2):
        os.close(fd)


def open_many():
    held = tempfile.TemporaryFile()
    for fd in (3, 4, 5, 9, 63, 250):
        os.dup2(held.fileno(), fd)


def ignore_all():
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass


def set_alarm():
    signal.setitimer(signal.ITIMER_REAL, 2)


def limit(name, soft, hard=None):
    what = getattr(resource, name)
    resource.setrlimit(what, (soft, resource.getrlimit(what)[1] if hard is None else hard))


def stand_in_a_removed_folder():
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)


KINDS = {
    "sigchld-ignored": lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    "all-ignored": ignore_all,
    "all-blocked": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()),
    "alarm": set_alarm,
    "closed-0-2": close_standard,
    "closed-0": lambda: os.close(0),
    "closed-1": lambda: os.close(1),
    "closed-2": lambda: os.close(2),
    "open-3-250": open_many,
    "few-descriptors": lambda: limit("RLIMIT_NOFILE", 20),
    "small-files": lambda: limit("RLIMIT_FSIZE", 4096),
    "no-processor-time": lambda: limit("RLIMIT_CPU", 1),
    "small-stack": lambda: limit("RLIMIT_STACK", 256 << 10),
    "endless-stack": lambda: limit("RLIMIT_STACK", resource.RLIM_INFINITY),
    "umask-777": lambda: os.umask(0o777),
    "umask-0": lambda: os.umask(0),
    "removed-folder": stand_in_a_removed_folder,
    "locale": lambda: os.environ.update(LC_ALL="tr_TR.UTF-8", LANG="xx", LANGUAGE="de", CHARSET="UTF-16"),
}


def look(pid):
    status = dict(line.rstrip("\n").split(":\t", 1) for line in open(f"/proc/{pid}/status") if ":\t" in line)
    # glibc's posix_spawn(3) leaves its own two, 32 and 33, ignored.
    ignored = int(status["SigIgn"], 16) & ~sum(1 << (n - 1) for n in (signal.SIGPIPE, signal.SIGXFSZ, 32, 33))
    blocked = int(status["SigBlk"], 16) & ~sum(1 << (n - 1) for n in
                                               (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2))
    if ignored or blocked:
        yield f"signals ignored {ignored:x}, blocked {blocked:x}"
    if status["Umask"] != "0027":
        yield f"umask {status['Umask']}"
    if os.readlink(f"/proc/{pid}/cwd") != "/":
        yield f"it stands in {os.readlink(f'/proc/{pid}/cwd')}"
    for fd in (0, 1, 2):
        if os.readlink(f"/proc/{pid}/fd/{fd}") != "/dev/null":
            yield f"descriptor {fd} is {os.readlink(f'/proc/{pid}/fd/{fd}')}"
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            name = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        if name.startswith(("/tmp/tmp", "/tmp/#")) or name.startswith("pipe:"):
            yield f"descriptor {fd} is {name}"
    for line in open(f"/proc/{pid}/limits"):
        for name in ("Max open files", "Max file size", "Max cpu time"):
            if line.startswith(name):
                soft, hard = line[len(name):].split()[:2]
                if soft != hard:
                    yield line.strip()


def main():
    if sys.argv[1] == "--kinds":
        print(*KINDS)
    elif sys.argv[1] == "--look":
        found = [f"{pid}: {line}" for pid in sys.argv[2:] for line in look(pid)]
        print(*found, sep="\n", end="\n" if found else "")
        sys.exit(bool(found))
    else:
        KINDS[sys.argv[1]]()
        os.execvp(sys.argv[2], sys.argv[2:])


main()
