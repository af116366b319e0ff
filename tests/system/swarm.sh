# Three nodes found a swarm, exchange, learn, stop, and come back as the same nodes.
. "$(dirname "$0")/lib.sh"
swarm a
start a
invite=$(token a)
member "$invite" b
member "$invite" c
for node in a b c; do
    eventually 15 holds "$node" exchanges_done -ge 5
    eventually 10 holds "$node" peers_active -eq 2
done
for key in state node_id name manifest_version incarnation uptime_s steps age loss training_loss accuracy accuracy_on accuracy_samples \
    peers_active peers_known exchanges_done exchanges_failed exchanges_refused last_exchange_s bytes_sent bytes_received \
    compute_share samples_per_s rss_bytes nodes; do
    [ -n "$(field a $key)" ] || fail "status lacks $key"
done
eventually 15 holds a accuracy_samples -ge 1
loss=$(field a loss)
[ "$loss" != null ] && [ "$loss" != "$(field a training_loss)" ] || fail "loss is not that of the evaluation"
good status a
good status a --check
good peers a
says "$(field b node_id | cut -c1-16)"
# A linear model learns these glyphs far beyond one in ten.
better() { "$GRAPEVINE" eval "$1" --data "$GLYPHS" --json 2>/dev/null | grep -qE '"accuracy": (0\.[3-9]|1)'; }
eventually 20 better a
id=$(field b node_id)
steps=$(field b steps)
incarnation=$(field b incarnation)
stop b
bad 1 status b
start b
[ "$(field b node_id)" = "$id" ] || fail 'another identity after a restart'
holds b incarnation -eq $((incarnation + 1)) || fail "incarnation $(field b incarnation) after one restart"
holds b steps -ge "$steps" || fail 'the steps before the restart are forgotten'
exchanges_on b 15
for node in a b c; do
    stop "$node"
done
