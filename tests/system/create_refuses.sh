# What `run` would refuse, `create` refuses before it writes anything.
. "$(dirname "$0")/lib.sh"
refuse() { # PATTERN OPTIONS...
    local pattern=$1
    shift
    bad 3 create x --name x --model "$MODEL" --data "$GLYPHS" --listen "tcp://127.0.0.1:$(port)" "$@"
    says "$pattern"
    [ ! -e x ] || fail 'something was written'
}
refuse '400 training samples' --shard 1/500
refuse 'classes' --shard 1/2 --partition classes:11
for how in dirichlet: dirichlet:0 dirichlet:-1 dirichlet:nan classes:0 classes:x classes: halves; do
    refuse 'expected iid' --partition "$how"
    refuse 'expected iid' --partition "$how" --shard 1/2
done
long=$(printf 'd%.0s' {1..120})
bad 3 create "$long" --name x --model "$MODEL" --data "$GLYPHS"
says 'control.sock'
[ ! -e "$long" ] || fail 'a folder was made'
swarm a --shard 1/4 --partition dirichlet:0.5
start a
invite=$(token a)
bad 3 join "$invite" "$long" --data "$GLYPHS"
says 'control.sock'
[ ! -e "$long" ] || fail 'a folder was made'
# Nothing is joined that could not listen.
bad any join "$invite" b --data "$GLYPHS" --listen "$(field a listening)"
says 'in use'
[ ! -e b ] || fail 'a membership was written'
stop a
echo 'partition = dirichlet:0' >>a/config.ini
bad 3 run a
says 'partition'
# The name of a class is text.
printf '1,2,yes\n3,4,n\xff\n5,6,yes\n' >bytes.csv
printf '1,2,yes\n3,4,n\x01o\n5,6,yes\n' >control.csv
printf '1,2,yes\n3,4,n\xc2\x85o\n5,6,yes\n' >next_line.csv
for file in bytes control next_line; do
    bad 3 create x --name x --model softmax:2-2 --data csv:$file.csv
    says "$file.csv.*line 2.*class name"
    [ ! -e x ] || fail 'something was written'
done
printf '1,2,ja\n3,4,n\xc3\xb6\n5,6,ja\n' >umlaut.csv
good create x --name x --model softmax:2-2 --data csv:umlaut.csv
