//! Where the kernel takes a match, a target or an interface: of which family, in which tables and chains.
//!
//! From what `xt_*.c`, `ipt_*.c` and `ip6t_*.c` register and check; each was tried in all chains of all tables with
//! iptables 1.8.9, legacy and nft, which refuse the same.

use super::TableName;
use super::TableName::{Filter, Mangle, Nat, Raw, Security};
use crate::net::Family;

/// Where something may stand.
#[derive(Debug, PartialEq, Eq)]
pub struct Standing {
    /// An option, and its value when not any will do: it is so only with it.
    asking: Option<(&'static str, Option<&'static str>)>,
    /// Of one family alone.
    pub family: Option<Family>,
    /// Empty for all.
    tables: &'static [TableName],
    /// Those of the kernel; empty for all.
    chains: &'static [&'static str],
    /// Whether these are the only chains that may lead to it through others. What the tools look at
    /// themselves, or the kernel when a rule is made, is taken in a chain of nobody's hook.
    is_deep: bool,
}

/// What every packet that comes in from elsewhere passes.
const COMING: &[&str] = &["PREROUTING", "INPUT", "FORWARD"];
const LEAVING: &[&str] = &["FORWARD", "OUTPUT", "POSTROUTING"];

const ANYWHERE: Standing =
    Standing { asking: None, family: None, tables: &[], chains: &[], is_deep: true };

const fn tables(tables: &'static [TableName]) -> Standing {
    Standing { tables, ..ANYWHERE }
}

const fn chains(chains: &'static [&'static str]) -> Standing {
    Standing { chains, ..ANYWHERE }
}

const fn of(family: Family) -> Standing {
    Standing { family: Some(family), ..ANYWHERE }
}

impl Standing {
    const fn shallow(self) -> Self {
        Standing { is_deep: false, ..self }
    }

    const fn and_chains(self, chains: &'static [&'static str]) -> Self {
        Standing { chains, ..self }
    }

    const fn and_tables(self, tables: &'static [TableName]) -> Self {
        Standing { tables, ..self }
    }

    const fn with(self, option: &'static str) -> Self {
        Standing { asking: Some((option, None)), ..self }
    }

    const fn with_value(self, option: &'static str, value: &'static str) -> Self {
        Standing { asking: Some((option, Some(value))), ..self }
    }

    /// What is known of `-i`, `-o`, `-f`, the name of a match or of a target; all of it holds.
    #[must_use]
    pub fn of(name: &str) -> &'static [Standing] {
        match name {
            "-i" => const { &[chains(COMING).shallow()] },
            "-o" => const { &[chains(LEAVING).shallow()] },
            "-f" | "icmp" | "ttl" | "ULOG" | "CLUSTERIP" => const { &[of(Family::V4)] },
            "realm" => {
                const { &[of(Family::V4), chains(&["INPUT", "FORWARD", "OUTPUT", "POSTROUTING"])] }
            }
            "osf" => const { &[of(Family::V4), chains(COMING)] },
            "icmp6" | "icmpv6" | "hl" | "frag" | "rt" | "ipv6header" | "hbh" | "dst" | "mh"
            | "srh" => const { &[of(Family::V6)] },
            "eui64" => const { &[of(Family::V6).and_chains(COMING)] },
            "owner" => const { &[chains(&["OUTPUT", "POSTROUTING"])] },
            "mac" => const { &[chains(COMING)] },
            "rpfilter" => const { &[tables(&[Raw, Mangle]).and_chains(&["PREROUTING"])] },
            "socket" => const { &[chains(&["PREROUTING", "INPUT"])] },
            "cgroup" => const { &[chains(&["INPUT", "OUTPUT", "POSTROUTING"])] },
            "addrtype" => {
                const {
                    &[
                        chains(COMING).shallow().with("limit-iface-in"),
                        chains(LEAVING).shallow().with("limit-iface-out"),
                    ]
                }
            }
            "policy" => {
                const {
                    &[
                        chains(COMING).shallow().with_value("dir", "in"),
                        chains(LEAVING).shallow().with_value("dir", "out"),
                    ]
                }
            }
            "devgroup" => {
                const {
                    &[
                        chains(COMING).shallow().with("src-group"),
                        chains(LEAVING).shallow().with("dst-group"),
                    ]
                }
            }
            _ => Self::of_target(name),
        }
    }

    fn of_target(name: &str) -> &'static [Standing] {
        match name {
            "DROP" => const { &[tables(&[Filter, Mangle, Raw, Security])] },
            "REJECT" => const { &[tables(&[Filter])] },
            "CHECKSUM" | "DSCP" | "TCPOPTSTRIP" | "TOS" | "PROTO" => const { &[tables(&[Mangle])] },
            "ECN" | "TTL" => const { &[of(Family::V4).and_tables(&[Mangle])] },
            "HL" => const { &[of(Family::V6).and_tables(&[Mangle])] },
            "CONNSECMARK" | "SECMARK" => const { &[tables(&[Mangle, Security])] },
            "CT" | "NOTRACK" => const { &[tables(&[Raw])] },
            "NETMAP" | "DNETMAP" => const { &[tables(&[Nat])] },
            "DNAT" | "REDIRECT" => {
                const { &[tables(&[Nat]).and_chains(&["PREROUTING", "OUTPUT"])] }
            }
            "SNAT" => const { &[tables(&[Nat]).and_chains(&["POSTROUTING", "INPUT"])] },
            "MASQUERADE" => const { &[tables(&[Nat]).and_chains(&["POSTROUTING"])] },
            "TPROXY" => const { &[tables(&[Mangle]).and_chains(&["PREROUTING"])] },
            "DNPT" => {
                const { &[of(Family::V6).and_tables(&[Mangle]).and_chains(&["PREROUTING", "OUTPUT"])] }
            }
            "SNPT" => {
                const { &[of(Family::V6).and_tables(&[Mangle]).and_chains(&["POSTROUTING", "INPUT"])] }
            }
            "CLASSIFY" => const { &[chains(LEAVING)] },
            "SYNPROXY" => const { &[chains(&["INPUT", "FORWARD"])] },
            // The size is that of the way out.
            "TCPMSS" => const { &[chains(LEAVING).shallow().with("clamp-mss-to-pmtu")] },
            "SET" => {
                const {
                    &[
                        tables(&[Mangle]).with("map-set"),
                        chains(LEAVING).shallow().with("map-prio"),
                        chains(LEAVING).shallow().with("map-queue"),
                    ]
                }
            }
            // The nft variant takes TRACE in all tables, where the legacy one does in raw.
            _ => &[],
        }
    }

    /// Whether it is about a use with these options: `asks` tells for one whether it is there, with the value
    /// when one is given.
    #[must_use]
    pub fn is_about(&self, asks: impl Fn(&str, Option<&str>) -> bool) -> bool {
        self.asking.is_none_or(|(option, value)| asks(option, value))
    }

    /// Whether the kernel takes it here; `chain` is `None` in a chain of nobody's hook.
    #[must_use]
    pub fn takes(&self, table: TableName, chain: Option<&str>) -> bool {
        let in_table = self.tables.is_empty() || self.tables.contains(&table);
        let fits = |chain| self.chains.is_empty() || self.chains.contains(&chain);
        in_table && chain.is_none_or(fits)
    }

    /// Whether it counts from where packets come to a chain of nobody's hook.
    #[must_use]
    pub fn looks_through_chains(&self) -> bool {
        self.is_deep && !self.chains.is_empty()
    }

    /// Where it may stand: `in nat POSTROUTING and INPUT`.
    #[must_use]
    pub fn place(&self) -> String {
        let tables: Vec<&str> = self.tables.iter().map(|table| table.name()).collect();
        let parts = [listed(&tables), listed(self.chains)];
        let said: Vec<&str> = parts.iter().map(String::as_str).filter(|x| !x.is_empty()).collect();
        format!("in {}", said.join(" "))
    }
}

/// `a, b and c`
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_said_as_people_do() {
        let place = |name| Standing::of(name).iter().map(Standing::place).collect::<Vec<_>>();
        assert_eq!(place("SNAT"), ["in nat POSTROUTING and INPUT"]);
        assert_eq!(place("DROP"), ["in filter, mangle, raw and security"]);
        assert_eq!(place("mac"), ["in PREROUTING, INPUT and FORWARD"]);
        assert_eq!(place("rpfilter"), ["in raw and mangle PREROUTING"]);
    }

    #[test]
    fn a_place_may_rest_on_an_option() {
        let [coming, leaving] = Standing::of("policy") else { panic!("two ways") };
        let out = |option: &str, value: Option<&str>| (option, value) == ("dir", Some("out"));
        assert!(!coming.is_about(out) && leaving.is_about(out));
        assert!(leaving.takes(Filter, Some("FORWARD")) && !leaving.takes(Filter, Some("INPUT")));
        assert!(leaving.takes(Filter, None) && !leaving.looks_through_chains());
    }
}
