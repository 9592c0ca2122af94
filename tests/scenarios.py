# Scenarios: lines of tests/mount's and tests/guest's scripts that look like checks and can't fail. `bash -e` doesn't
# end a script for every command that fails; tests/mount/lib.sh has words for what these lines mean.
import re

FOLDERS = ("tests/mount/", "tests/guest/scenarios/")
CHECK = r"(?:is|differs|nothing|quiet|says|fails|refuses|expect_error|mounted|test|\[|\[\[|cmp|diff|grep)"
# A command in $(...), and no more than that between quotation marks.
COMMAND = r'"\$\([^"]*(?:"[^"]*"[^"]*)*\)"'

RULES = [  # (pattern, what is wrong, what to write)
    (r"^\s*! ", "bash -e passes over what follows `!`", "fails"),
    (r"\b(?:refuses|expect_error) (?:\"[^\"$]{0,3}\"|'[^'$]{0,3}'|[^\s\"'$]{1,3}) ",
     "nearly every line holds so little", "what the line says"),
    (rf"^\s*{CHECK} [^|]* && {CHECK} [^|]*(?<!return)(?<!break)$",
     "bash -e passes over all of an && list but its end", "a line for each"),
    (r"^(?!.*\buntil\b).*[^|]\| grep (?:-[A-Za-z]+ )*-[A-Za-z]*q",
     "the reader may end before the command has written all", "says PATTERN CMD, or grep in a file"),
    (rf"^\s*is {COMMAND} (?:\"\"|'')", "a command that fails prints nothing, too", "nothing CMD"),
    (rf"^\s*fails \[ {COMMAND}", "a command that fails prints another text, too", "differs VALUE OTHER"),
    (r"^\s*for \w+ in \$\((?!seq\b)", "where the command fails there are no rounds, and no failure",
     "its output into a variable first"),
]
PLANTED = ["! grep -q text file", 'refuses "" "$GMEMFS" df /proc', "refuses 7 command", 'expect_error "no" false',
           'test -S "$MNT/a" && test -S "$MNT/b"', '"$GMEMFS" --help | grep -qi mount', 'is "$(ls -A "$MNT")" ""',
           'fails [ "$(server_pid)" = "$pid" ]', "for kind in $(kinds); do"]  # a line each that the rules find


def complaints(texts):
    """A line for each; `texts` is the tree's text by name."""
    for name, text in texts.items():
        if not name.startswith(FOLDERS) or not name.endswith((".sh", ".bash")) or name == "tests/mount/lib.sh":
            continue
        within = None
        for number, line in enumerate(text.splitlines(), 1):
            if within is not None:  # the text of another program
                within = None if line.strip() == within else within
                continue
            begun = re.search(r"<<-? *['\"]?(\w+)['\"]?", line)
            within = begun.group(1) if begun else None
            for pattern, wrong, instead in RULES:
                if not line.startswith("#") and re.search(pattern, line.split(" # ")[0]):
                    yield f"{name}:{number}: {wrong}: write {instead}"
