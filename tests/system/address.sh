# A node that listens on all addresses learns its own from others; when its host gets another one, it notices, says so,
# and is reached there. Hosts are network namespaces on one bridge.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] && command -v ip >/dev/null || skip 'an address that changes needs root and iproute2: skipped'
tag=gva$$
cleanup_hosts() {
    local name
    for name in $(ip netns list | awk '{ print $1 }'); do
        [[ $name == "$tag"* ]] && ip netns del "$name" 2>/dev/null
    done
    cleanup
}
trap cleanup_hosts EXIT
ip netns add "${tag}0" 2>err && ip -n "${tag}0" link add bridge type bridge 2>err ||
    skip "cannot make a network of hosts ($(cat err)): skipped"
ip -n "${tag}0" link set bridge up
for host in 1 2 3 4; do
    ip netns add "$tag$host"
    ip -n "$tag$host" link set lo up
    ip -n "${tag}0" link add "p$host" type veth peer name gv0 netns "$tag$host"
    ip -n "${tag}0" link set "p$host" master bridge up
    ip -n "$tag$host" addr add "10.78.0.$host/24" dev gv0
    ip -n "$tag$host" link set gv0 up
done

launch() { # nHOST
    ip netns exec "$tag${1#n}" "$GRAPEVINE" run "$1" >>"$T/$1.log" 2>&1 </dev/null &
    PID[$1]=$!
}
seen_at() { # DIR NODE-ID ENDPOINT
    "$GRAPEVINE" peers "$1" --json | tr -d '\n' | sed 's/}/}\n/g' | grep "$2" | grep -qF "\"$3\""
}
good create n1 --name test --model "$MODEL" --data "$GLYPHS" --listen tcp://10.78.0.1:7400 --set local_steps=8
tame n1
start n1
invite=$(token n1)
for host in 2 3 4; do
    ip netns exec "$tag$host" "$GRAPEVINE" join "$invite" "n$host" --data "$GLYPHS" --listen tcp://0.0.0.0:7400 \
        2>err || fail 'cannot join'
    tame "n$host"
    start "n$host"
done
moved=$(field n4 node_id)
for node in n1 n2 n3; do
    eventually 20 seen_at "$node" "$moved" tcp://10.78.0.4:7400
done
eventually 20 holds n4 peers_active -eq 3
ip -n "${tag}4" addr del 10.78.0.4/24 dev gv0
ip -n "${tag}4" addr add 10.78.0.44/24 dev gv0
began=$SECONDS
for node in n1 n2 n3; do
    eventually 60 seen_at "$node" "$moved" tcp://10.78.0.44:7400
done
exchanges_on n4
# Who comes back from a stop finds it there, and only there.
good stop n1
ended n1 0
start n1
eventually 20 seen_at n1 "$moved" tcp://10.78.0.44:7400
eventually 20 holds n1 peers_active -eq 3
echo "known at its new address after $((SECONDS - began)) s"
