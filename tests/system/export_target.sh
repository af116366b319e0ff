# What `export` writes replaces a regular file and nothing else: not a pipe, a socket, a device, a folder or a link.
. "$(dirname "$0")/lib.sh"
swarm a
gv run a --steps 8
good export a model.st
cp model.st first.st
good export a model.st
cmp model.st first.st || fail 'an export of the same model differs'
refuse() { # TYPE PATH
    bad 3 export a "$2"
    says "$2"
    test "$1" "$2" || fail "$2 was replaced"
    [ ! -e "$2.tmp" ] || fail 'a temporary file was left'
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
