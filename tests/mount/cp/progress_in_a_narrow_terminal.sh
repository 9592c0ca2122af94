# The line that tells how far cp, save and restore are is never longer than the terminal is wide: a longer one would go on in the next
# line, and stay there, one for each update. Nor does a name move the cursor.
# needs: script stty
name=$'a\nname\eM_that_is_lönger_than_what_is_shown_öf_it'
random_bytes 20M > "$name"
for columns in 79 40 18 2; do
    for words in "cp a* $MNT" "save $MNT snapshot" "restore snapshot $MNT/back$columns"; do
        [[ $words != restore* ]] || mkdir "$MNT/back$columns"
        script -qec "stty cols $columns; '$GMEMFS' $words" /dev/null > said
        python3 - "$columns" << 'PYTHON'
import sys
text = open("said", newline="").read() # it is UTF-8, whatever was cut
assert "\n" not in text and text.count("\033") == text.count("\033[K"), text
lines = text.replace("\033[K", "").split("\r")
assert any(lines), "nothing was shown"
assert all(len(line) < int(sys.argv[1]) for line in lines), [line for line in lines if line]
PYTHON
    done
    rm -rf "$MNT/back$columns"
done
