# Wrong usage ends with 2 and says what would be right; help and the manual page come from the command table.
. "$(dirname "$0")/lib.sh"
bad 2 nonsense
bad 2
bad 2 create
bad 2 create a --nonsense
bad 2 join onlyone
bad 2 run
bad 2 run a --steps
for option in --steps --until-age; do
    for number in 0 1x 1099511627777 281474976710657 18446744073709551616; do
        bad 2 run a "$option" "$number"
        says "$number.*expected 1 to 1099511627776"
    done
done
bad 3 run a --until-age 1099511627776
bad 2 demo --nodes 1
bad 2 bench nonsense
good --help
for command in create invite inspect update revoke join run status peers config pause resume stop leave eval predict export \
    demo bench; do
    grep -qE "^ +$command " "$T/out" || fail "help lacks $command"
done
good help join
says 'TOKEN'
good help --man
says '^\.TH'
good version
bad 3 run nowhere
bad any status nowhere
