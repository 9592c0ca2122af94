# Creating exclusively what is there fails.
# posix
touch "$MNT/f"
is "$(errno_of "os.open('$MNT/f', os.O_CREAT | os.O_EXCL)")" EEXIST
