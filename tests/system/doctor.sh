# doctor: finds what is wrong and says what to do, with and without a daemon; changes nothing and is quick.
. "$(dirname "$0")/lib.sh"
finds() { # VERDICT CHECK PATTERN [DIR]
    gv doctor "${4:-a}"
    grep -qE "^$1 +$2 +.*$3" "$T/out" || {
        cat "$T/out"
        fail "expected $1 $2 ... $3"
    }
    if [ "$1" = fail ]; then
        [ "$code" = 1 ] || fail "a failed check and status $code"
    fi
}
passes() { # [DIR]
    good doctor "${1:-a}"
    if grep -q '^fail' "$T/out"; then fail 'it failed and returned 0'; fi
}

bad 3 doctor nowhere
says 'no node'
bad 2 doctor

# A first node, stopped.
swarm a
passes
finds skip daemon 'grapevine run'
finds ok listen 'free to listen on'
finds skip checkpoint 'none'
finds warn 'root key' 'safe place'
finds ok libzmq 'CURVE'
finds ok membership 'signed by its root'

# What lies in DIR.
chmod 644 a/node.key
finds fail keys '0644.*chmod 600'
finds skip dial 'without keys'
chmod 600 a/node.key
cp a/config.ini config.good
echo 'lisen = tcp://0.0.0.0:7400' >>a/config.ini
finds fail config 'lisen.*listen'
sed -E 's|^listen *=.*|listen = tcp://0.0.0.0:40001|' config.good >a/config.ini
finds warn config 'below 32768'
sed -E 's|^data *=.*|data = csv:/gone.csv|' config.good >a/config.ini
finds fail config '/gone.csv cannot be read'
cp config.good a/config.ini
# JSON holds nothing but UTF-8, and the name of a folder anything.
mv a $'a\xff'
good doctor $'a\xff' --json
says '"dir": "a\?"'
says 'root key lies in a\?/root.key'
mv $'a\xff' a
cp a/member member.good
echo damaged >a/member
finds fail membership 'member'
cp member.good a/member
passes

# Running.
start a
member "$(token a)" b
eventually 15 holds b exchanges_done -ge 1
eventually 10 holds a checkpoints -ge 1
passes b
finds ok daemon 'runs and is' b
finds ok listen 'the daemon listens on' b
finds ok advertise 'handshake with ourselves' b
finds ok dial 'welcomes this node' b
finds ok 'seen at' '127.0.0.1, which is the address it advertises' b
finds ok descriptors 'the daemon has' b
finds ok clock 'within [0-9] s of tcp' b
finds ok reached 'dialled by 1 of the members'
good doctor b --json
grep -q '"ok": true' "$T/out" && grep -q '"verdict": "ok"' "$T/out" || fail 'the JSON says otherwise'
holds a alarms -eq 0 || fail 'a greeting raised an alarm'
holds b alarms -eq 0 || fail 'a greeting raised an alarm'
alive a && alive b || fail 'a greeting ended a node'
sed -i -E 's|^listen *=.*|&\nadvertise = tcp://127.0.0.1:'"$(port)"'|' b/config.ini
stop b
start b
finds warn advertise 'cannot be reached from this machine' b
sed -i '/^advertise/d' b/config.ini
stop b

# A node that has lost its address book does what it is told.
mv b/peers peers.kept
finds warn dial 'inspect TOKEN.*stopped.*seed ADDRESS KEY' b
good inspect "$(token a)"
sed -nE 's/^seed +([^ ]+ [^ ]+)$/seed \1/p' "$T/out" >b/peers
finds ok dial 'welcomes this node' b
mv peers.kept b/peers

# A clock that is wrong, as far as a library in front of libc can make it so.
if [ "${MODE:-release}" = release ] && command -v gcc >/dev/null; then
    cat >shift.c <<'C'
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
time_t time(time_t *out)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    time_t shifted = now.tv_sec + atol(getenv("SHIFT"));
    if (out != NULL) {
        *out = shifted;
    }
    return shifted;
}
C
    gcc -shared -fPIC -o shift.so shift.c || fail 'the library does not build'
    shifted() { # SECONDS VERDICT PATTERN
        SHIFT=$1 LD_PRELOAD=$T/shift.so "$GRAPEVINE" doctor b >"$T/out" 2>"$T/err"
        grep -qE "^$2 +clock +.*$3" "$T/out" || fail "clock: $(grep clock "$T/out")"
    }
    shifted 600 warn '600 s behind'
    shifted 86400 fail '86400 s behind'
    shifted -86400 fail "before this node's certificate was issued"
fi

# The port is taken.
taken=$(field a listening)
sed -i -E "s|^listen *=.*|listen = $taken|" b/config.ini
finds fail listen 'in use' b
sed -i -E "s|^listen *=.*|listen = tcp://127.0.0.1:$(port)|" b/config.ini

# Checkpoints: one damaged slot, then both.
ls b/checkpoint.* >/dev/null || fail 'no checkpoint'
cp b/checkpoint.a b/checkpoint.b 2>/dev/null || cp b/checkpoint.b b/checkpoint.a
printf 'X' | dd of=b/checkpoint.a bs=1 seek=200 conv=notrunc status=none
finds warn checkpoint 'other slot is damaged' b
printf 'X' | dd of=b/checkpoint.b bs=1 seek=200 conv=notrunc status=none
finds fail checkpoint 'damaged; remove them' b
rm b/checkpoint.*

# Invites: one that has expired before it was used to run, and one of a's own.
good join "$(token a --expires 2s)" c --data "$GLYPHS"
sleep 3
finds fail membership 'expired' c
finds fail dial 'the invite has expired' c
finds ok invites '1 have expired' a
# One that has expired since the daemon was let in, before it has written a checkpoint.
good join "$(token a --expires 8s)" d --data "$GLYPHS" --listen "tcp://127.0.0.1:$(port)"
sed -i '/^#*checkpoint/d' d/config.ini
start d
eventually 15 holds d exchanges_done -ge 1
sleep 9
finds ok membership 'its invite expired.*which ends no membership' d
ls d/checkpoint.* 2>/dev/null && fail 'it has written a checkpoint: nothing was tested'
stop d

# Nothing is changed, whatever is found.
stop a
state_of() {
    find "$1" -type f -exec md5sum {} + | sort
    find "$1" -printf '%p %T@ %m\n' | sort
}
before=$(state_of b)
finds fail dial 'cannot be reached' b
[ "$(state_of b)" = "$before" ] || fail 'DIR was changed'

# A daemon that hangs, and members that are silent: both are waited for, but not for long.
start a
kill -STOP "${PID[a]}"
SECONDS=0
finds fail daemon 'does not answer'
finds fail dial 'no answer' b
[ "$SECONDS" -le $((25 * slow)) ] || fail "the two took $SECONDS s"
kill -CONT "${PID[a]}"

# Gone for good.
eventually 10 answers a
start b
eventually 15 holds b exchanges_done -ge 1
idb=$(field b node_id)
good revoke a "$idb"
ended b 4
finds fail membership 'no longer a member' b
good leave a --yes
ended a 0
finds fail membership 'left its swarm'
