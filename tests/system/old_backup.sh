# A DIR restored from an old backup: told that its incarnation is stale, the node takes a newer one and goes on.
. "$(dirname "$0")/lib.sh"
swarm a
start a
member "$(token a)" b
eventually 15 holds b exchanges_done -ge 1
stop b
cp -a b backup
for round in 1 2 3; do
    start b
    exchanges_on b 15
    newest=$(field b incarnation)
    stop b
done
rm -rf b
mv backup b
start b
eventually 20 holds b incarnation -gt "$newest"
exchanges_on b 20
