# What `export` writes replaces a regular file and nothing else: not a pipe, a socket, a device, a folder or a link.
. "$(dirname "$0")/lib.sh"
swarm a
gv run a --steps 8
good export a model.st
cp model.st first.st
good export a model.st
cmp model.st first.st || fail 'an export of the same model differs'
# A file of the user's whose name is a state file's temporary one stays, and of the export's own nothing stays.
echo mine >model.st.tmp
good export a model.st
[ "$(cat model.st.tmp)" = mine ] || fail 'a file beside it was lost'
[ "$(echo model.st*)" = 'model.st model.st.tmp' ] || fail "left behind: $(echo model.st*)"
refuse() { # TYPE PATH
    bad 3 export a "$2"
    says "$2"
    test "$1" "$2" || fail "$2 was replaced"
    [ "$(echo "$2".*)" = "$2.*" ] || fail 'a temporary file was left'
}
mkfifo pipe
refuse -p pipe
mknod device c 1 3 2>/dev/null && refuse -c device
mkdir folder
refuse -d folder
ln -s first.st link
refuse -L link
cmp model.st first.st || fail 'what the link leads to was changed'
bad 3 export a nowhere/model.st
says 'nowhere'
