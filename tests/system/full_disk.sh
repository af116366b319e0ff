# A full disk costs checkpoints and nothing else; once there is room again they are written again.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip 'needs root, for a small file system'
mkdir "$T/small"
mount -t tmpfs -o size=4m tmpfs "$T/small" 2>/dev/null || skip 'cannot mount a small file system here'
MOUNTED=$T/small
swarm a
start a
invite=$(token a)
good join "$invite" small/b --data "$GLYPHS" --listen "tcp://127.0.0.1:$(port)"
tame small/b
start small/b
eventually 15 holds small/b exchanges_done -ge 2
eventually 15 holds small/b checkpoints -ge 1
sum=$(md5sum <small/b/node.key)
dd if=/dev/zero of=small/filler bs=64k status=none 2>/dev/null
eventually 20 grep -qiE 'space' "$T/b.log"
alive small/b || fail 'the node died'
failing() {
    gv status small/b --check
    [ "$code" = 1 ] && grep -q 'checkpoint could not be written: no space' "$T/err"
}
eventually 20 failing
exchanges_on small/b 15
good status small/b
# What the daemon cannot write can still be read: the checkpoint that is there, and the reader says how old it is.
good eval small/b --data "$GLYPHS"
says 'cannot write a checkpoint: no space'
says 'last checkpoint, at age [0-9]+'
says 'accuracy 0'
# A revocation that comes meanwhile is written down once there is room, whatever else happens.
good revoke a 00000000000000000000000000000000000000000000000000000000000000ff
eventually 20 grep -q 'b/trust.*space' "$T/b.log"
trust=$(md5sum small/b/trust 2>&1)
rm small/filler
before=$(field small/b checkpoints)
eventually 20 holds small/b checkpoints -gt "$before"
good status small/b --check
trust_written() { [ "$(md5sum small/b/trust 2>&1)" != "$trust" ]; }
eventually 20 trust_written
[ "$(md5sum <small/b/node.key)" = "$sum" ] || fail 'the key changed'
stop small/b
start small/b
exchanges_on small/b 20
# `create` on a full disk says so and leaves nothing half done.
dd if=/dev/zero of=small/filler bs=4k status=none 2>/dev/null
gv create small/c --name full --model "$MODEL" --data "$GLYPHS" --listen "tcp://127.0.0.1:$(port)"
[ "$code" != 0 ] || fail 'created without room'
says 'space'
# Who could not write down that it has left stays.
gv leave small/b --yes
[ "$code" != 0 ] || fail 'left without room to say so'
says 'space'
alive small/b || fail 'the node ended'
exchanges_on small/b
# What it has learnt since the last checkpoint is lost, and it says so.
bad 1 stop small/b
says 'last checkpoint could not be written'
ended small/b 1
grep -q 'last checkpoint could not be written' "$T/b.log" || fail 'the lost checkpoint is not mentioned'
stop a
