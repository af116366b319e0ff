# A member expels whom it let in, and an entry can keep a node below a revoked inviter.
. "$(dirname "$0")/lib.sh"
swarm a
start a
member "$(token a)" b
eventually 15 holds b exchanges_done -ge 1
invite=$(token b)
member "$invite" c
member "$invite" d
eventually 15 holds c exchanges_done -ge 1
eventually 15 holds d exchanges_done -ge 1
idb=$(field b node_id) idc=$(field c node_id) idd=$(field d node_id)
good revoke a "$idb" --keep "$idd"
ended b 4
ended c 4
exchanges_on d 15
alive d || fail 'the kept node is gone'
bad 4 run c
