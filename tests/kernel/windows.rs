//! Time windows around now, and others: the kernel opens the one and not the other.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::expect::{arrives, silent};
use crate::load::{Variant, nft};
use crate::probe::Probe::Tcp;
use crate::serve::Service;
use crate::world::{V4, V6, World};
use crate::{compiled, need};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Minutes since the epoch, which was a Thursday.
fn minutes() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() / 60
}

fn day(minutes: u64) -> &'static str {
    DAYS[usize::try_from((minutes / 1440 + 3) % 7).expect("a day")]
}

fn clock(minutes: u64) -> String {
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

#[test]
fn a_rule_holds_within_its_window_only() {
    if !need::met() {
        return;
    }
    let now = minutes();
    // Hours that go past midnight count to the day on which they began.
    let (start, end) = (now - 120, now + 120);
    let wraps = start / 1440 != end / 1440;
    let first = day(if wraps { start } else { now });
    let around = format!("{}-{}", clock(start), clock(end));
    let later = format!("{}-{}", clock(now + 120), clock(now + 180));
    let other = day(now + 3 * 1440);
    // All of a day but an hour, which began before now or will after it.
    let [began, begins] =
        [now - 120, now + 180].map(|at| format!("{}-{}", clock(at), clock(at - 60)));
    let [began_on, begins_on] = [now - 120, now + 180];
    let rules = compiled::policy(&format!(
        "allow tcp 1001 during {around}\n\
         allow tcp 1002 during {around} {first}\n\
         allow tcp 1003 during {first}, {}\n\
         during {first}, {} {{ allow tcp 1004 during {around} }}\n\
         allow tcp 2001 during {later}\n\
         allow tcp 2002 during {around} {other}\n\
         allow tcp 2003 during {other}\n\
         during {other} {{ allow tcp 2004 during {around} }}\n\
         allow tcp 1005 during {began} {}\n\
         allow tcp 2005 during {began} {}\n\
         allow tcp 1006 during {begins} {}\n\
         allow tcp 2006 during {begins} {}\n",
        day(now),
        day(now),
        day(began_on),
        day(began_on - 1440),
        day(begins_on - 1440),
        day(begins_on),
    ));
    let (open, shut) = ([1001, 1002, 1003, 1004, 1005, 1006], [2001, 2002, 2003, 2004, 2005, 2006]);
    let worlds = Variant::ALL.map(|variant| World::with(&rules.rules, variant));
    let native = World::new();
    nft(&native.host, rules.nft.as_deref().expect("nft has hours")).expect("nft takes them");
    for world in worlds.into_iter().chain([native]) {
        let services = open.iter().chain(&shut).map(|port| Service::tcp(&world.host, *port));
        let _services: Vec<Service> = services.collect();
        for at in [V4, V6] {
            for port in open {
                arrives(&world.client, Tcp(at.host, port), at.client);
            }
            silent(&world.client, &shut.map(|port| Tcp(at.host, port)));
        }
    }
}

#[test]
fn what_came_without_ipsec_is_not_via_ipsec() {
    if !need::met() {
        return;
    }
    let rules = compiled::policy("allow tcp 1001\nallow tcp 1002 via ipsec\n");
    for variant in Variant::ALL {
        let world = World::with(&rules.rules, variant);
        let _services = [1001, 1002].map(|port| Service::tcp(&world.host, port));
        for at in [V4, V6] {
            arrives(&world.client, Tcp(at.host, 1001), at.client);
            silent(&world.client, &[Tcp(at.host, 1002)]);
        }
    }
}
