"""Programs that `gmemfs run` has started, and that wait for what they are told."""
import os, subprocess


class Program:
    """tests/pool/program.cpp with `steps`; `before`: words before the command. says(): its next line."""

    def __init__(self, *steps, hooked=True, options=(), before=()):
        build, pipe = os.environ["BUILD"], subprocess.PIPE
        pool = os.environ.get("POOL", os.environ["MNT"] + "/work")
        run = [os.environ["GMEMFS"], "run", "--pool", pool, *options] if hooked else []
        route = "needed" if hooked else f"path={build}/sim/libcuda.so.1"
        self.process = subprocess.Popen([*before, *run, build + "/pool/program", route, *steps],
                                        stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def says(self): return self.process.stdout.readline().strip() or "nothing, but " + self.process.stderr.read()

    def tell(self, line=""):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def asks(self, *lines):  # each line, and what is said then
        answers = []
        for line in lines:
            self.tell(line)
            answers.append(self.says())
        return answers

    def ends(self):
        said, wrong = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, (self.process.returncode, said, wrong)
        return said, wrong


def expect(found, wanted): assert found == wanted, f"expected {wanted}, got {found}"
