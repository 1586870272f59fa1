//! Whether a fault would be found: rules of one policy, held to the meaning of another that says nearly the
//! same.

use palisade::source::MemoryLoader;

use crate::need;
use crate::ruleset::{Loader, Tested};
use crate::run::{Grounds, Tally, one};

/// A policy, and another that says nearly the same.
const NEARLY: [(&str, &str); 34] = [
    ("allow tcp 22; notrack tcp 22", "allow tcp 22; notrack tcp 22 from 10.0.0.0/8"),
    ("allow tcp 22", "allow tcp 23"),
    ("allow tcp 22", "allow tcp 22-23"),
    ("allow tcp 22", "allow udp 22"),
    ("allow any in eth1", "allow any in eth2"),
    ("allow any in wlan+", "allow any in wlan"),
    ("allow any from 10.0.0.0/24", "allow any from 10.0.0.0/25"),
    ("allow any from any except 10.0.0.66", "allow any from any except 10.0.0.67"),
    ("allow any from fd00:1::/64", "allow any from fd00:1::/63"),
    ("allow tcp 22 ipv6", "allow tcp 22"),
    ("forward { allow any in eth1 out eth0 }", "forward { allow any in eth1 out eth2 }"),
    ("zone wan = eth0; forward { allow any }; masquerade wan out", "forward { allow any }"),
    (
        "zone wan = eth0; zone lan = eth1; forward tcp 80 from wan to 10.0.0.2@lan",
        "zone wan = eth0; zone lan = eth1; forward tcp 80 from wan to 10.0.0.3@lan",
    ),
    (
        "zone wan = eth0; zone lan = eth1; forward tcp 80 from wan to 10.0.0.2:8080@lan",
        "zone wan = eth0; zone lan = eth1; forward tcp 80 from wan to 10.0.0.2:8081@lan",
    ),
    ("default allow input; drop tcp any", "default allow input; drop tcp any flags syn / syn"),
    ("default allow input; drop tcp 22", "default allow input; reject tcp 22"),
    ("reject tcp 22", "reject tcp 22 with tcp-reset"),
    ("reject any with icmp-host-prohibited ipv4", "reject any with icmp-admin-prohibited ipv4"),
    ("log \"a \" tcp 22", "log \"b \" tcp 22"),
    ("log \"a \" tcp 22", "log \"a \" level info tcp 22"),
    ("allow icmp 3/4", "allow icmp 3"),
    ("implicit none; allow any state established", "implicit none; allow any state related"),
    ("implicit none; allow any state invalid", "implicit none; allow any state untracked"),
    (
        "default drop output; allow any out user 1000",
        "default drop output; allow any out user 1001",
    ),
    ("default drop output; allow tcp 22 out", "default drop output; allow tcp 23 out"),
    (
        "set seen dynamic; add source/24 to seen tcp any; drop any from seen; allow any",
        "set seen dynamic; add source/24 to seen tcp 1-9; drop any from seen; allow any",
    ),
    (
        "set seen dynamic; add source to seen tcp any; drop any from seen; allow any",
        "set seen dynamic; add source to seen tcp any; allow any",
    ),
    ("allow any; mark 7", "allow any; mark 7 to any"),
    ("mark 0x10; mark 7/0xf", "mark 0x10; mark 7"),
    ("allow any; mark 7 sticky", "allow any; mark 7"),
    ("allow any; mark 7 sticky; mark 9 sticky", "allow any; mark 9 sticky; mark 7 sticky"),
    ("forward { allow any; dscp ef }", "forward { allow any; dscp cs6 }"),
    ("forward { allow any; mark 7 }", "forward { allow any; mark 7 in eth1 out eth0 }"),
    ("allow any mac 00:16:3e:00:00:01", "allow any mac 00:16:3e:00:00:02"),
];

fn tested(text: &str) -> Tested {
    let tested = Tested::policy(text, text, MemoryLoader::default(), 0);
    tested.unwrap_or_else(|| panic!("refused: {text}"))
}

/// Packets for each chain and family.
const PROBES: usize = 250;

#[test]
fn nearly_the_same_is_noticed() {
    if !need::met() {
        return;
    }
    let mut grounds = Grounds::default();
    for loader in [Loader::ALL[1], Loader::ALL[2]] {
        for (text, other) in NEARLY {
            let same = tested(text);
            let faults =
                one(grounds.of(&same, loader), &same, loader, PROBES, &mut Tally::default());
            assert!(faults.is_empty(), "{text}: {faults:#?}");
            let Tested { rules, native, .. } = tested(other);
            let different = Tested { rules, native, ..same };
            let ground = grounds.of(&different, loader);
            let faults = one(ground, &different, loader, PROBES, &mut Tally::default());
            assert!(!faults.is_empty(), "{loader:?}: nothing shows that {text} is not {other}");
        }
    }
}
