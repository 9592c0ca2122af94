# What is no device number is a mistake of use.
# mount: none
is "$(status_of "$GMEMFS" mount "$MNT" --simulate=64M --device x)" 2
is "$(status_of "$GMEMFS" mount "$MNT" --simulate=64M --device 0,)" 2
