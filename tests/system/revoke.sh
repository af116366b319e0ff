# The root expels a node: its links drop at once, it ends with status 4 and cannot come back; the rest goes on.
. "$(dirname "$0")/lib.sh"
swarm a
start a
invite=$(token a)
member "$invite" b
member "$invite" c
eventually 15 holds c exchanges_done -ge 2
id=$(field c node_id)
# The word of a member that did not let it in counts for nothing.
gv revoke b "$id"
sleep 1
alive c || fail 'a stranger to its chain expelled it'
exchanges_on c
good revoke a "$id"
ended c 4
bad 4 run c
gone() { ! "$GRAPEVINE" peers "$1" --json | grep -q "$id"; }
eventually 10 gone a
eventually 10 gone b
exchanges_on a
exchanges_on b
# It is remembered over a restart.
stop a
start a
exchanges_on a 15
[ "$(field a state)" != isolated ] || fail 'the rest is gone as well'
