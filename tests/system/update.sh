# The root signs a newer manifest; running nodes take it up, and a new model starts a new epoch.
. "$(dirname "$0")/lib.sh"
swarm a
start a
member "$(token a)" b
eventually 15 holds b exchanges_done -ge 1
good update a --set rate=0.02 --set local_steps=4
eventually 10 holds a manifest_version -eq 2
eventually 15 holds b manifest_version -eq 2
exchanges_on b
bad 3 update a --set ratte=0.1
says 'rate'
mv a/root.key elsewhere
bad 3 update a --set rate=0.03
says 'root'
good update a --set model=mlp:784-16-10 --root-key elsewhere
eventually 15 holds b manifest_version -eq 3
exchanges_on b 20
good eval b --data "$GLYPHS" --json
alive a && alive b || fail 'a node died of an update'
stop b
start b
exchanges_on b 20
