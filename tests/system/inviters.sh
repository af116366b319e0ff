# A manifest after which only the root may invite: whoever another member invited hears of it, from whomever it has for a
# neighbour, and ends; the others go on.
. "$(dirname "$0")/lib.sh"
swarm a
start a
root=$("$GRAPEVINE" invite a --root-key a/root.key --uses 5 2>/dev/null)
member "$root" b
eventually 15 holds b exchanges_done -ge 1
member "$(token b)" c
eventually 15 holds c exchanges_done -ge 1
eventually 15 holds c peers_known -ge 2
stop a
start a # its address book is on disk now
eventually 15 holds a peers_active -ge 1
bad 3 update c --set inviters=root --root-key a/root.key
says 'this node itself'
good update a --set inviters=root
says '1 of the 2'
ended c 4 40
logged c 'new manifest'
logged c 'no longer a member'
alive a || fail 'the creator ended'
alive b || fail 'whom the root invited is gone'
exchanges_on b
gv invite b
[ "$code" != 0 ] || fail 'a member makes invites that admit nobody'
