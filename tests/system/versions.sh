# A swarm of two versions of the program: either admits, hands on the manifest and the model, and exchanges with the
# other. The next one has fields, features and messages of its own, which cost nobody anything.
. "$(dirname "$0")/lib.sh"
this=$GRAPEVINE next=$TOOLS/newer
with() { # VERSION COMMAND...: with that program
    local GRAPEVINE=$1
    shift
    "$@"
}
swarm a
start a
eventually 20 holds a age -ge 100
with "$next" member "$(token a)" b
with "$this" member "$(with "$next" token b)" c
with "$next" member "$(token c)" d
for node in a b c d; do
    eventually 15 holds "$node" peers_active -eq 3
    eventually 15 holds "$node" age -ge 100 # what comes late takes over the model
    exchanges_on "$node" 15
done
good update c --set rate=0.02 --root-key a/root.key
for node in a b c d; do
    eventually 10 holds "$node" manifest_version -eq 2
done
eventually 10 counts a refusals ERR_KIND 2
eventually 10 counts c refusals ERR_KIND 2
for node in a b c d; do
    for reason in ERR_MALFORMED ERR_TRUNCATED ERR_OVERSIZE ERR_VERSION ERR_PROTOCOL ERR_RATE; do
        [ "$(counted "$node" drops "$reason")" = 0 ] && [ "$(counted "$node" refusals "$reason")" = 0 ] ||
            fail "$node found fault with the other version: $reason"
    done
done
# Two are left, one of either.
stop c
stop d
exchanges_on a
exchanges_on b
logged a 'unknown message kind' && fail 'what the next version says is logged as if it were a fault'
stop a
stop b
