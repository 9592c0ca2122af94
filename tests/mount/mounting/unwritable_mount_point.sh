# A user can't mount on a folder that is somebody else's.
# mount: none
# user: nobody
refuses "/usr" "$GMEMFS" mount /usr --simulate=64M
