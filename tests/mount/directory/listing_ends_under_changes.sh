# A directory's listing ends, although each entry that it shows is renamed there and back, replaced, or followed by a new one.
# posix
mkdir "$MNT/d"
(cd "$MNT/d" && seq 300 | xargs touch)
python3 - "$MNT/d" "$MNT/aside" <<'PYTHON'
import os, sys
folder, aside = sys.argv[1:]


def there_and_back(path):
    os.rename(path, aside)
    os.rename(aside, path)


def replaced(path):
    open(aside, "w").close()
    os.rename(aside, path)


def followed(path):
    open(f"{path}.new", "w").close()


def seen(change):
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            names.append(entry.name)
            assert len(names) < 3000, f"it doesn't end: {change.__name__}"
            change(entry.path)
    return names


def check(change):
    before = sorted(os.listdir(folder))
    names = seen(change)
    assert len(set(names)) == len(names), change.__name__
    assert set(before) <= set(names), (change.__name__, set(before) - set(names))


for each in (there_and_back, replaced, followed):
    check(each)

# Replaced before the listing comes to them: no name is missed.
before = sorted(os.listdir(folder))
with os.scandir(folder) as entries:
    names = [next(entries).name]
    for name in before:
        replaced(f"{folder}/{name}")
    names += [entry.name for entry in entries]
assert sorted(names) == before, (len(names), len(before))

# rewinddir(3) begins anew, and sees what is new.
directory = os.open(folder, os.O_RDONLY)
assert sorted(os.listdir(directory)) == before
followed(f"{folder}/another")
assert "another.new" in os.listdir(directory)
PYTHON
