# A torn or flipped checkpoint is noticed: the other slot is used; with both gone the model is fetched again.
. "$(dirname "$0")/lib.sh"
swarm a
start a
member "$(token a)" b
eventually 15 holds b exchanges_done -ge 3
eventually 15 holds b checkpoints -ge 2
stop b
newest=b/checkpoint.a
[ b/checkpoint.b -nt b/checkpoint.a ] && newest=b/checkpoint.b
printf '\x55\xaa\x55' | dd of="$newest" bs=1 seek=5000 conv=notrunc status=none
start b
[ "$(field b checkpoint_damaged)" = true ] || fail 'the damage went unnoticed'
holds b steps -ge 1 || fail 'the older slot was not used'
exchanges_on b 15
stop b
for slot in a b; do
    truncate -s 1000 "b/checkpoint.$slot"
done
start b
exchanges_on b 20
# Alone, a damaged checkpoint loses the model but not the node.
stop b
stop a
truncate -s 0 a/checkpoint.a
truncate -s 0 a/checkpoint.b
gv status a
launch a
sleep 1
if alive a; then
    eventually 10 answers a
else
    wait "${PID[a]}"
    [ $? = 3 ] || fail 'it ended with another status than 3'
    unset 'PID[a]'
fi
