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
# Another schema makes the models trained so far useless: a new epoch begins, and none goes back.
stop b
stop a
epoch() { sed -nE 's/^epoch = //p' "$1/manifest"; }
mean() { sed -nE 's/^mean = //p' "$1/manifest"; }
mv elsewhere a/root.key
before=$(epoch a)
good update a --set scaling=none
[ "$(epoch a)" = $((before + 1)) ] || fail 'another scaling has begun no new epoch'
[ -z "$(mean a)" ] || fail 'unscaled features have a mean'
good update a --set scaling=unit
[ -n "$(mean a)" ] || fail 'the mean was not learnt from the data'
good update a --set mean=0.3
[ "$(epoch a)" = $((before + 3)) ] || fail 'another mean has begun no new epoch'
good update a --set rate=0.01
[ "$(epoch a)" = $((before + 3)) ] || fail 'another rate has begun a new epoch'
bad 3 update a --set epoch="$before"
says "epoch $before"
# The root's own node must be able to go on.
bad 3 update a --set classes=a,b,c,d,e,f,g,h,i,j
says 'own data'
bad 3 update a --set mean=1000
says 'units'
bad 3 update a --set mean=1,2 --set mean="$(mean a)"
says 'deviation'
[ "$(epoch a)" = $((before + 3)) ] || fail 'a refused update was written'
good create c --name c --model "$MODEL" --set scaling=none
bad 3 update c --set scaling=unit
says 'mean='
# Right after a change the node starts again, and cannot be told anything for a moment: then the next change is written
# by the command, under the node's lock, and the node waits for it.
start a
before=$(epoch a)
for ((i = 1; i <= 8; i++)); do
    good update a --set scaling=none --set momentum=0.$i
    good update a --set scaling=unit --set momentum=0.$i
done
eventually 20 answers a
alive a || fail 'the node ended while it started again'
[ "$(epoch a)" = $((before + 16)) ] || fail "epoch $(epoch a), expected $((before + 16))"
