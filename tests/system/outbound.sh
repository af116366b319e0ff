# Nodes that only dial out are full citizens.
. "$(dirname "$0")/lib.sh"
swarm a
start a
invite=$(token a)
for node in b c; do
    good join "$invite" "$node" --data "$GLYPHS"
    tame "$node"
    start "$node"
done
for node in a b c; do
    eventually 15 holds "$node" exchanges_done -ge 3
done
# With the only one gone who can be dialled, they wait, and find it again.
stop a
eventually 10 state_is b isolated
start a
exchanges_on b 40
exchanges_on c 40
# Nobody dials who cannot be dialled: that they are known is no failure, nor a matter of the family.
for node in a b c; do
    if counts "$node" dial_failures ERR_FAMILY; then
        fail "$node counts failed dials to members without an address"
    fi
done
