# Names that stay are listed once, whatever comes and goes meanwhile.
# posix
mkdir "$MNT/d"
(cd "$MNT/d" && seq -f 'stay-%g' 1500 | xargs touch && seq -f 'go-%g' 1500 | xargs touch)
python3 - "$MNT/d" <<'PYTHON'
import os, sys
seen = []
with os.scandir(sys.argv[1]) as entries:
    for number, entry in enumerate(entries):
        seen.append(entry.name)
        if number < 1500:
            os.unlink(f"{sys.argv[1]}/go-{number + 1}")
            open(f"{sys.argv[1]}/new-{number + 1}", "w").close()
stay = [name for name in seen if name.startswith("stay-")]
assert len(stay) == len(set(stay)) == 1500, (len(stay), len(set(stay)))
PYTHON
