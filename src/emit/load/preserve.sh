# Rules of others stay, with their counters. Ours stand in chains whose names begin with pal-; in a
# chain of the kernel there is one of ours, a jump. Where rules.v4 has DOCKER-USER, that chain is ours
# as well.

# Prints the rules of a family (4 or 6).
save() {
    case $1 in
    4) "$IPTABLES_SAVE" ;;
    6) "$IP6TABLES_SAVE" ;;
    esac
}

# Changes the rules of a family as what it reads says, and takes a further option.
restore() {
    case $1 in
    4) "$IPTABLES_RESTORE" --wait --noflush ${2:+"$2"} ;;
    6) "$IP6TABLES_RESTORE" --wait --noflush ${2:+"$2"} ;;
    esac
}

if grep -q '^:DOCKER-USER ' "$folder/rules.v4"; then docker=1; else docker=0; fi

# Prints what `restore` must read to get from the rules $1 to the rules $2, as far as they are ours.
# All that changes in a table is in one piece, which the kernel takes as a whole or not at all, so no
# packet ever meets a table half changed, more open than it was or will be:
#
#   - our chains are filled anew, and the policies are those of $2;
#   - our jump stands behind the rules of others: one that does not is moved, for programs put
#     theirs before and behind it as they please;
#   - jumps and chains of ours that $2 does not have go. A chain that a rule of others uses stays,
#     empty.
#
# A table where all this changes nothing is not mentioned: to name it would create it.
change() {
    printf '%s\n=\n%s\n' "$1" "$2" | awk -v docker="$docker" '
        function ours(chain) {
            return index(chain, "pal-") == 1 || (docker && chain == "DOCKER-USER")
        }
        # Whether the line is a jump of ours: one without a condition. It notes its chain.
        function is_jump() {
            if (NF != 4 || $3 != "-j" || index($4, "pal-") != 1) return 0
            if (!((table, $2) in noted)) callers[table] = callers[table] " " $2
            noted[table, $2]
            return 1
        }
        function say(line) {
            if (!said) print "*" table
            said = 1
            print line
        }
        function set_policy(chain, verdict) {
            if (!((table, chain) in policy)) policy[table, chain] = "ACCEPT"
            if (policy[table, chain] != verdict) say(":" chain " " verdict " [0:0]")
        }
        function finish(    n, i, chains) {
            n = split(callers[table], chains)
            for (i = 1; i <= n; i++) jumps(chains[i])
            n = split(there[table], chains)
            for (i = 1; i <= n; i++)
                if (!((table, chains[i]) in wanted)) say("-F " chains[i])
            for (i = 1; i <= n; i++)
                if (!((table, chains[i]) in wanted) && !((table, chains[i]) in used))
                    say("-X " chains[i])
            if (said) print "COMMIT"
            said = 0
            finished[table]
        }
        # A table of which $2 knows nothing is as the kernel makes it.
        function clear(    n, i, chains) {
            n = split(kernels[table], chains)
            for (i = 1; i <= n; i++) set_policy(chains[i], "ACCEPT")
            finish()
        }
        function jumps(chain,    n, i, targets, wish) {
            wish = jump[table, chain]
            n = split(found[table, chain], targets)
            if (n == 1 && targets[1] == wish && last[table, chain] == wish) return
            for (i = 1; i <= n; i++) say("-D " chain " -j " targets[i])
            if (wish != "") say("-A " chain " -j " wish)
        }

        $0 == "=" { new = 1; next }
        /^\*/ { table = substr($1, 2) }
        $1 ~ /^:/ { chain = substr($1, 2) }

        !new && /^:/ && ours(chain) { there[table] = there[table] " " chain }
        !new && /^:/ && $2 != "-" {
            policy[table, chain] = $2
            kernels[table] = kernels[table] " " chain
        }
        !new && /^-A/ && !ours($2) {
            last[table, $2] = ""
            if (is_jump()) {
                found[table, $2] = found[table, $2] " " $4
                last[table, $2] = $4
            } else {
                for (i = 3; i < NF; i++) if ($i == "-j" || $i == "-g") used[table, $(i + 1)]
            }
        }

        new && /^:/ && ours(chain) { wanted[table, chain]; say($1 " - [0:0]") }
        new && /^:/ && $2 != "-" { set_policy(chain, $2) }
        new && /^-A/ {
            if (ours($2)) say($0)
            else if (is_jump()) jump[table, $2] = $4
        }
        new && $0 == "COMMIT" { finish() }
        END { for (table in there) if (!(table in finished)) clear() }
    '
}

