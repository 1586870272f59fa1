# Loads the files of this folder: ipsets, rules.v6 and rules.v4. It can be run again and again, also
# while they are in use. When a file is refused, the rules of before stay in force, a line says why,
# and the status is not 0.
#
# Tools are found by their usual names, or by the environment:
#   IPTABLES=iptables-legacy IP6TABLES=ip6tables-legacy ./load
# gives the others their names too (iptables-legacy-save and so on). IPTABLES_SAVE, IPTABLES_RESTORE,
# IP6TABLES_SAVE, IP6TABLES_RESTORE and IPSET name them one by one.
set -eu
# What the tools print is read here.
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

: "${IPTABLES:=iptables}" "${IP6TABLES:=ip6tables}" "${IPSET:=ipset}"
: "${IPTABLES_SAVE:=$IPTABLES-save}" "${IPTABLES_RESTORE:=$IPTABLES-restore}"
: "${IP6TABLES_SAVE:=$IP6TABLES-save}" "${IP6TABLES_RESTORE:=$IP6TABLES-restore}"

folder=$(dirname -- "$0")

tell() {
    printf 'palisade: %s\n' "$*" >&2
}

fail() {
    tell "$*"
    exit 1
}

