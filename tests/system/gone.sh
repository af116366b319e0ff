# A node that is no longer a member: each command says so, and advises only what is possible.
. "$(dirname "$0")/lib.sh"
swarm a
start a
member "$(token a)" b
eventually 15 holds b exchanges_done -ge 1
member "$(token a)" c
id=$(field b node_id)
# A member that is merely stopped.
stop c
bad 1 status c --json
grep -q '"state": "stopped"' "$T/out" && grep -q '"membership": "member"' "$T/out" || fail 'no JSON of a stopped node'
grep -q '"node_id": "[0-9a-f]\{64\}"' "$T/out" || fail 'no id'
bad 1 status c
says 'grapevine run c'
start c
rm -f c/checkpoint.*
eventually 15 holds c exchanges_done -ge 1
good leave c --yes
says 'left its swarm'
ended c 0
good revoke a "$id"
ended b 4
for dir in b c; do
    bad 4 invite $dir
    says 'join again'
    bad 4 leave $dir --yes
    grep -q 'grapevine run' "$T/err" && fail 'it advises what cannot be done'
    bad 1 status $dir
    says 'join again'
    grep -q 'grapevine run' "$T/err" && fail 'it advises what cannot be done'
    bad 1 status $dir --json
done
grep -q '"membership": "left"' "$T/out" || fail 'the status does not say that c has left'
# Without data there is nothing to save, and so no model.
good join "$(token a)" d
launch d
eventually 10 answers d
good leave d --yes
[ -e d/checkpoint.a ] || [ -e d/checkpoint.b ] || says 'holds no model'
