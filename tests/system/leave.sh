# A node that leaves is gone for good: the others forget it, and its DIR cannot run again.
. "$(dirname "$0")/lib.sh"
swarm a
start a
invite=$(token a)
member "$invite" b
member "$invite" c
eventually 15 holds c exchanges_done -ge 2
id=$(field c node_id)
bad 2 leave c
alive c || fail 'leave without --yes ended the node'
good leave c --yes
ended c 0
forgotten() { ! "$GRAPEVINE" peers a --json | grep -q "$id"; }
eventually 10 forgotten
bad 4 run c
says 'left'
exchanges_on a
stop a
stop b
# Why a request is refused is told whatever bytes a name in it is made of.
dir=$'n\xf6rd'
swarm "$dir"
start "$dir"
mkdir "$dir/left"
bad 3 leave "$dir" --yes
says 'is a folder'
stop "$dir"
