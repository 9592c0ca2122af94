"""Waiting for another generation of a file, on the simulator: other threads, signals, time, errors, forks."""
from test_package import fixture_mount, run  # noqa: F401


def test_other_threads_run_while_one_waits_and_the_change_is_told(mount):
    run(mount, """
        import threading
        path = mount + "/f"
        gmemfs.open(path, 2 << 20).close()
        known = gmemfs.generation(path)
        told = []
        waiter = threading.Thread(target=lambda: told.append(gmemfs.wait(path, after=known, timeout=30)))
        waiter.start()
        while json.loads(os.getxattr(mount, "user.gmemfs.stats"))["waiters"] != 1: pass  # the lock is free
        gmemfs.open(path + ".new", 2 << 20).close()
        os.rename(path + ".new", path)
        waiter.join()
        assert told == [gmemfs.generation(path)] and told != [known]
    """)


def test_a_signal_is_answered_and_an_interruption_ends_the_wait(mount):
    run(mount, """
        import signal, threading
        path = mount + "/f"
        gmemfs.open(path, 2 << 20).close()
        seen = []
        signal.signal(signal.SIGUSR1, lambda *_: (seen.append(1), os.kill(os.getpid(), signal.SIGINT)))
        def interrupt():
            while json.loads(os.getxattr(mount, "user.gmemfs.stats"))["waiters"] != 1: pass
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        threading.Thread(target=interrupt).start()
        try: gmemfs.wait(path)
        except KeyboardInterrupt: seen.append(2)
        assert seen == [1, 2]
    """)


def test_what_cannot_be_waited_for_says_why(mount):
    run(mount, """
        def code_of(*arguments, **options):
            try: gmemfs.wait(*arguments, **options)
            except OSError as error: return type(error)
        assert code_of(mount + "/none", after=0, timeout=0) is TimeoutError
        assert code_of(mount + "/no/such", after=0, timeout=5) is FileNotFoundError
        assert code_of("/etc/hostname", after=0, timeout=5) is OSError
        assert gmemfs.generation(mount + "/none") == 0
        for odd in (-1, 1 << 64):
            try: gmemfs.wait(mount + "/none", after=odd)
            except ValueError: pass
            else: raise AssertionError(odd)
        if os.fork() == 0:
            os._exit(code_of(mount + "/none", after=1) is ChildProcessError)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 1
    """)
