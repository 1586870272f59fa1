//! Policies of any number of rules, from a seed: as administrators write them, mixed.

use std::fmt::Write as _;

/// A small generator of pseudo-random numbers (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).expect("an index")]
    }

    /// An IPv4 network of 10.0.0.0/8 of 8 to 32 bits.
    pub fn network(&mut self) -> String {
        let length = 32 - self.below(5) * 4;
        let bits = 0x0a00_0000 | self.below(1 << 24);
        let bits = bits & (u64::from(u32::MAX) << (32 - length));
        let [_, _, _, _, a, b, c, d] = bits.to_be_bytes();
        format!("{a}.{b}.{c}.{d}/{length}")
    }

    fn host(&mut self) -> String {
        format!("10.{}.{}.{}", self.below(256), self.below(256), 1 + self.below(254))
    }

    fn host_v6(&mut self) -> String {
        format!("2001:db8:{:x}::{:x}", self.below(1 << 16), 1 + self.below(0xffff))
    }

    pub fn port(&mut self) -> u64 {
        1 + self.below(49_151)
    }
}

/// Definitions that every policy has.
const DEFINITIONS: &str = "\
# Generated: zones, lists and services first, then rules.
zone wan = eth0
zone lan = eth1, wlan+ { 10.0.0.0/8, fd00:1::/64 }
zone dmz = eth2 { 192.0.2.0/24, 10.200.0.0/16, fd00:2::/64 }
zone vpn = wg+
let admins = 203.0.113.0/24, 2001:db8:a::/48
let staff = admins, 10.0.0.0/24 except 10.0.0.66
service shop = tcp 8080, 8443-8449, udp 9000

";

const SERVICES: &[&str] =
    &["ssh", "https", "http, https", "dns", "ntp", "smtp, imaps", "shop", "snmp", "ldap, ldaps"];

/// A policy of `rules` rules.
pub fn policy(rules: usize) -> String {
    let mut random = Random::new(rules as u64);
    let mut text = String::with_capacity(rules * 72);
    text += DEFINITIONS;
    for _ in 0..rules {
        rule(&mut text, &mut random);
        text.push('\n');
    }
    text
}

/// One rule. Writing to a string cannot fail.
fn rule(text: &mut String, random: &mut Random) {
    let verb = random.pick(&["allow", "allow", "allow", "drop"]);
    let zone = random.pick(&["wan", "lan", "dmz", "vpn"]);
    let _ = match random.below(20) {
        // Such as ClassBench has: five fields.
        0..=7 => {
            let (from, to, port) = (random.network(), random.network(), random.port());
            let protocol = random.pick(&["tcp", "udp"]);
            write!(text, "forward {{ {verb} {protocol} {port} from {from} to {to} }}")
        }
        8..=11 => {
            let services = random.pick(SERVICES);
            write!(text, "{verb} {services} from {} to {}@dmz", random.network(), dmz(random))
        }
        12..=13 => {
            let (first, host) = (random.port(), random.host());
            let (second, low) = (random.port(), random.port());
            let ports = format!("tcp {first}, {second}, {low}-{}", low + 10);
            write!(text, "{verb} {ports} from {host} # {}", random.below(100_000))
        }
        14 => {
            let (from, to, port) = (random.host_v6(), random.host_v6(), random.port());
            write!(text, "forward {{ {verb} tcp {port} from {from} to {to} }}")
        }
        15 => write!(text, "{verb} {} from staff to {zone}", random.pick(SERVICES)),
        16 => {
            let list = [random.host(), random.host(), random.network(), random.host_v6()];
            let (port, ticket) = (random.port(), random.below(100_000));
            let list = list.join(", ");
            write!(text, "{verb} tcp {port} from {list} comment \"ticket {ticket}\"")
        }
        17 => {
            let (from, port, to) = (random.network(), random.port(), random.network());
            write!(text, "{verb} tcp {port} from {from} except {} to {to}@lan", random.host())
        }
        18 => {
            let (host, port) = (random.host(), random.port());
            write!(text, "reject udp {port} from {host} in eth1 log \"no \"")
        }
        _ => nat(text, random),
    };
}

fn nat(text: &mut String, random: &mut Random) -> std::fmt::Result {
    match random.below(4) {
        0 => write!(text, "masquerade from {} to wan", random.network()),
        1 => write!(text, "nonat from {} to vpn", random.network()),
        _ => {
            let (port, new) = (random.port(), random.port());
            let host = dmz(random);
            write!(text, "forward tcp {port} from wan to {host}:{new}@dmz")
        }
    }
}

fn dmz(random: &mut Random) -> String {
    format!("10.200.{}.{}", random.below(256), 1 + random.below(254))
}
