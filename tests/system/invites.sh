# Invites that are no good: each is refused with its reason, and no membership is written.
. "$(dirname "$0")/lib.sh"
swarm a
start a
refuse() { # CODE PATTERN TOKEN
    bad "$1" join "$3" x --data "$GLYPHS"
    says "$2"
    [ ! -e x/member ] || fail 'a membership was written'
    rm -rf x
}
invite=$(token a)
refuse 3 'not an invite token' nonsense
refuse 3 'the token is cut short' "${invite:0:60}"
last=${invite: -1}
other=A
[ "$last" = A ] && other=B
refuse 3 'mistyped (at its end|\(its checksum differs\))' "${invite%?}$other"
middle=${invite:30:1} # in a key, where nothing but the checksum can tell
other=A
[ "$middle" = A ] && other=B
refuse 3 'mistyped \(its checksum differs\)' "${invite:0:30}$other${invite:31}"

once=$("$GRAPEVINE" invite a --uses 1 2>/dev/null)
good join "$once" b --data "$GLYPHS"
start b
eventually 15 holds b exchanges_done -ge 1
refuse 4 'the invite is used up' "$once"

brief=$("$GRAPEVINE" invite a --expires 1s 2>/dev/null)
sleep 3
refuse 4 'the invite has expired' "$brief"

invite=$("$GRAPEVINE" invite a --uses 5 2>/dev/null)
good inspect "$invite"
id=$(sed -nE 's/^invite +([0-9a-f]{64}).*/\1/p' "$T/out")
good join "$invite" c --data "$GLYPHS"
start c
eventually 15 holds c exchanges_done -ge 1
good revoke a "$id" --invite
refuse 4 'the invite is closed' "$invite"
exchanges_on c
alive c || fail 'who had used the closed invite is gone'

# Nobody answers: try later.
invite=$(token a)
stop a
refuse 75 'no seed of the invite answers.*try later' "$invite"
# A node that listens everywhere does not know where: it gives no address of its own.
for everywhere in 0.0.0.0 '[::]' '[::0]'; do
    good create e --name e --model "$MODEL" --listen "tcp://$everywhere:$(port)"
    bad 3 invite e
    says 'does not know under which address others reach it'
    rm -r e
done
start a
# From standard input, wrapped by a mail program.
fold -w 76 <<<"$invite" | "$GRAPEVINE" join - d --data "$GLYPHS" 2>"$T/err" || fail 'join from standard input'
good inspect "$(fold -w 76 <<<"$invite")"

# A token names two members besides, also where both have signed their records in the same second.
swarm first
start first
for node in second third; do
    good join "$(token first)" "$node" --data "$GLYPHS" --listen "tcp://127.0.0.1:$(port)"
    tame "$node"
done
sleep "0.$(printf %09d $((1000000000 - 10#$(date +%N))))"
launch second
launch third
eventually 15 holds second exchanges_done -ge 1
eventually 15 holds third exchanges_done -ge 1
stop first
good inspect "$(token first)"
[ "$(grep -c '^seed ' "$T/out")" = 3 ] || fail "the token leads to $(grep -c '^seed ' "$T/out") members, expected 3"
