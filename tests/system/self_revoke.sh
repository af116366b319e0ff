# An entry that would expel its own signer is refused: the node would end before it has passed the entry on.
. "$(dirname "$0")/lib.sh"
swarm a
start a
good join "$(token a)" b --data "$GLYPHS"
a=$(field a node_id)
stop a
gv status b
b=$(sed -nE 's/^on disk +node ([0-9a-f]{64}).*/\1/p' "$T/out")
bad 2 revoke b "$a" --root-key a/root.key
says "--keep $b"
[ ! -e b/trust ] || fail 'an entry was written'
# Keeping the one that is revoked means nothing; keeping one that is not below it changes nothing, which is said.
bad 2 revoke b "$a" --root-key a/root.key --keep "$b" --keep "$a"
says "--keep $a: .*cannot be kept"
bad 2 revoke b "$a" --root-key a/root.key --keep 00000000000000000000000000000000000000000000000000000000000000ff
says '--keep 0+ff: .*did not join through'
[ ! -e b/trust ] || fail 'an entry was written'
good revoke b "$a" --root-key a/root.key --keep "$b"
grep -q 'did not join through' "$T/err" && fail 'it is not known that this node is below the other'
[ -e b/trust ] || fail 'no entry was written'
