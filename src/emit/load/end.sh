# Prints by which version from which policy a file was built, as its first lines say. A build that was
# cut off may have left some files of itself and some of the one before.
build_of() {
    sed -n -e 's/^# palisade \([^:]*\): .*/\1/p' -e '/^# policy sha256:/{p;q;}' "$1"
}

for file in rules.v4 rules.v6 ipsets; do
    [ -r "$folder/$file" ] || fail "there is no $folder/$file: build the policy into this folder again"
    [ "$(build_of "$folder/$file")" = "$(build_of "$0")" ] ||
        fail "$folder/$file is not of the same build as $0: build the policy into this folder again"
done
families='6 4'
if [ ! -e /proc/net/if_inet6 ]; then
    tell 'this kernel has no IPv6: rules.v6 is left out'
    families=4
fi

# Sets come first: rules that name one that is not there are refused. What is in a set changes here
# and at once, also for the rules of before.
if grep -q '^[^#]' "$folder/ipsets"; then
    "$IPSET" restore -exist <"$folder/ipsets" || fail 'ipsets is refused; no rule has changed'
fi

# What is there, and what leads from it to what is to be.
old4='' old6='' change4='' change6=''
for family in $families; do
    old=$(save "$family") || fail "the rules of IPv$family cannot be read; no rule has changed"
    new=$(change "$old" "$(cat "$folder/rules.v$family")")
    case $family in
    4) old4=$old change4=$new ;;
    6) old6=$old change6=$new ;;
    esac
done

old_of() {
    case $1 in
    4) printf '%s\n' "$old4" ;;
    6) printf '%s\n' "$old6" ;;
    esac
}

change_of() {
    case $1 in
    4) printf '%s\n' "$change4" ;;
    6) printf '%s\n' "$change6" ;;
    esac
}

# The tools find most faults (a set, an extension, an account that is not there) without touching a
# rule.
for family in $families; do
    change_of "$family" | restore "$family" --test ||
        fail "rules.v$family is refused; no rule has changed"
done

# Some faults only the kernel finds, when other tables have changed already.
undo() {
    tell "rules.v$1 is refused: back to the rules of before"
    for family in $families; do
        change "$(save "$family")" "$(old_of "$family")" | restore "$family" ||
            fail "the rules of IPv$family are not those of before: look at them"
    done
    fail 'the rules of before are in force'
}

# Nobody who hangs up in the middle leaves the half of it. Between two tables the one is new and the
# other old. Of those, filter alone lets packets in, and it comes first, with its policies: what the
# others will do to a packet is judged by the new filter, and not by the old one.
trap '' HUP INT TERM
for family in $families; do
    change_of "$family" | restore "$family" || undo "$family"
done
