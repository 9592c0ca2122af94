# A tree that changes while it is saved: what vanishes is said and left out, with status 1, and all else comes back whole.
# timeout: 120
mkdir "$MNT/tree" out
python3 - "$GMEMFS" "$MNT/tree" out <<'END'
import os, subprocess, sys, threading
gmemfs, tree, out = sys.argv[1:]
for index in range(120):
    with open(f"{tree}/stays{index}", "wb") as file: file.write(b"%d" % index * 500)
for index in range(40):
    with open(f"{tree}/shrinks{index}", "wb") as file: file.write(b"s" * 300000)
done = threading.Event()
def trouble():
    number = 0
    while not done.is_set():
        names = [f"{tree}/fin{n}" for n in range(number, number + 60)]
        for name in names:
            with open(name, "wb") as file: file.write(b"temporary")
        os.makedirs(f"{tree}/folder{number}/deep")
        for name in names[::2]: os.rename(name, name + "r")
        for name in names: os.remove(name + "r") if os.path.exists(name + "r") else os.remove(name)
        os.removedirs(f"{tree}/folder{number}/deep")
        os.makedirs(tree, exist_ok=True)
        os.truncate(f"{tree}/shrinks{number // 60 % 40}", 1000)
        number += 60
thread = threading.Thread(target=trouble)
thread.start()
told = statuses = 0
for round in range(8):
    save = subprocess.run([gmemfs, "save", tree, "snapshot"], capture_output=True, text=True)
    lines = save.stderr.splitlines()
    assert save.returncode == (1 if lines else 0), save
    assert all(line.startswith("gmemfs: save: ") and "meanwhile" in line for line in lines), lines
    told += len(lines)
    subprocess.run([gmemfs, "restore", "--check", "snapshot"], check=True)
    place = f"{out}/{round}"
    os.mkdir(place)
    subprocess.run([gmemfs, "restore", "--verify", "snapshot", place], check=True)
    listed = subprocess.run([gmemfs, "restore", "--list", "snapshot"], capture_output=True, text=True, check=True).stdout
    for index in range(120):
        assert open(f"{place}/stays{index}", "rb").read() == b"%d" % index * 500, index
    for name in os.listdir(place):
        if name.startswith("fin"): assert open(f"{place}/{name}", "rb").read() in (b"temporary", b""), name
        if name.startswith("shrinks"): assert set(open(f"{place}/{name}", "rb").read()) == {ord("s")}, name
        assert f" {name}\n" in listed, name
    assert len(listed.splitlines()) == 1 + sum(len(d) + len(f) for _, d, f in os.walk(place))
done.set()
thread.join()
assert told, "nothing vanished: this test saw nothing"
END
