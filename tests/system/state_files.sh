# A state file that is missing or damaged: status 3, and the message names the file and what to do about it.
. "$(dirname "$0")/lib.sh"
swarm a
start a
stop a
refuse() { # FILE ADVICE
    bad 3 run x
    says "x/$1"
    says "$2"
    bad 3 invite x
    says "x/$1"
    rm -rf x
}
again() { rm -rf x && cp -r a x; }
flip() { # FILE: another first character of the value in its third line, or of what there is
    sed -i -E '2,3s/= (.)(.)/= \2\1/' "$1"
}
again && rm x/config.ini && refuse config.ini 'backup'
again && : >x/node.key && refuse node.key 'empty.*backup'
again && rm x/member && refuse member 'backup.*join again'
again && : >x/member && refuse member 'empty.*join again'
again && head -c 60 a/member >x/member && refuse member 'join again'
again && rm x/manifest && refuse manifest 'backup'
again && rm x/manifest && ln -s manifest x/manifest && refuse manifest 'backup'
again && flip x/manifest && refuse manifest 'signature.*backup'
again && head -c 100 a/manifest >x/manifest && refuse manifest 'backup'
again && : >x/manifest && refuse manifest 'backup'
again && : >x/trust && refuse trust 'empty.*delete'
again && head -c 7 a/manifest >x/trust && refuse trust 'damaged.*delete'
for content in '' 'grapevine' $'grapevine incarnation 1\nx\n'; do
    again && printf %s "$content" >x/incarnation
    bad 3 run x
    says 'x/incarnation.*delete'
done
# A folder without permission is not one without a node.
if [ "$(id -u)" = 0 ]; then
    command -v setpriv >/dev/null || skip 'no setpriv to give up root with'
    cp "$GRAPEVINE" ./grapevine && chmod 755 . grapevine || fail 'no copy of the program'
    as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$T/grapevine" "$@" >"$T/out" 2>"$T/err"; }
else
    chmod 000 a
    as() { "$GRAPEVINE" "$@" >"$T/out" 2>"$T/err"; }
fi
for command in run invite status; do
    as $command a
    code=$?
    says 'permission'
    [ "$command" = status ] || [ "$code" = 3 ] || fail "$command: status $code, expected 3"
done
chmod 700 a
