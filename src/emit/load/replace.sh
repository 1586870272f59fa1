# The rules become what the files say, and nothing else: those of others go.

# Prints the rules of a family (4 or 6), with their counters.
save() {
    case $1 in
    4) "$IPTABLES_SAVE" --counters ;;
    6) "$IP6TABLES_SAVE" --counters ;;
    esac
}

# Loads what it reads into a family, and takes a further option.
restore() {
    case $1 in
    4) "$IPTABLES_RESTORE" --wait --counters ${2:+"$2"} ;;
    6) "$IP6TABLES_RESTORE" --wait --counters ${2:+"$2"} ;;
    esac
}

# Prints what `restore` must read to get from the rules $1 to the rules $2: these, and an empty table
# for each that only $1 has, for a table that is not named stays as it is.
change() {
    printf '%s\n' "$2"
    printf '%s\n=\n%s\n' "$2" "$1" | awk '
        $0 == "=" { old = 1; next }
        /^\*/ { table = $0 }
        /^\*/ && !old { named[table] }
        !old || (table in named) { next }
        /^\*/ || $0 == "COMMIT"
        /^:/ && $2 != "-" { print $1, "ACCEPT [0:0]" }
    '
}

