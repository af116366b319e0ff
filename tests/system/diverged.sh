# A node whose own data makes its model diverge: its partner is not blamed, nobody hears a loss of it, it says so itself,
# and takes the swarm's model over again.
. "$(dirname "$0")/lib.sh"
rows() { # SCALE: two classes that overlap
    for i in $(seq 100); do
        printf '%s,%s,yes\n%s,%s,no\n' "$((i % 7 - 1))$1" "$((i % 5 - 1))$1" "$((i % 5 - 3))$1" "$((i % 7 - 5))$1"
    done
}
rows e0 >fine.csv
rows e25 >huge.csv
port=$(port)
good create a --name diverged --model mlp:2-8-2 --data csv:fine.csv --listen "tcp://127.0.0.1:$port"
start a
good invite a
good join "$(grep -o 'gv1[^ ]*' out)" b --data csv:huge.csv --listen "tcp://127.0.0.1:$(port)"
start b
eventually 20 counts b refusals ERR_DIVERGED 2 # adopted, diverged, adopted again, diverged: now it waits
[ "$(field b training_loss)" = null ] || fail "a loss is shown: $(field b training_loss)"
[ "$(field b model_finite)" = false ] || fail 'the model counts as finite'
bad 1 status b --check
says 'the model is not finite: check this node'
good status b
says 'not finite'
[ "$(grep -c 'model adopted' b.log)" -ge 2 ] || fail 'the model was not taken over again'
for node in a b; do
    good status "$node" --json
    ! grep -q ERR_NONFINITE out || fail "$node blames the other"
    holds "$node" peers_active -ge 1 || fail "$node has lost its neighbour"
done
good status a --check
stop b
stop a
