//! Which addresses the packets have that the kernel shows to a chain of the filter (measured).

use std::sync::OnceLock;

use crate::analyze::passage::{GROUPS, GROUPS_OF_LINK, networks};
use crate::net::{Addresses, Family, Interface, MarkMatch};
use crate::packet::{Constraint, Factor, FieldBox};
use crate::resolve::policy::Hook;

const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// The source of who has no address yet. In IPv6 it is heard like others on its link.
const NOBODY: &str = "0.0.0.0/32";

/// Nobody, and what the kernel once took for nobody (RFC 1122, section 3.2.1.3).
const NOBODIES: [&str; 2] = ["0.0.0.0/8", "::/128"];

const LINK_LOCAL: &str = "fe80::/10";

/// Whose packets are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// Those of one host to another, as connections are.
    Hosts,
    /// All, also to groups and from who has no address yet.
    All,
}

fn all_but(nets: &[&[&str]]) -> Addresses {
    Addresses::full().difference(&networks(&nets.concat()))
}

/// Packets to an address that a machine may have.
pub(super) fn to_somebody(family: Family) -> Factor {
    let somebody = all_but(&[&LOOPBACK, &GROUPS, &NOBODIES]);
    Factor::all([Constraint::destination(family, &somebody)])
}

/// Packets that the kernel shows to a chain of the filter, as far as addresses say; those that come in have
/// no mark yet.
pub(super) fn seen(hook: Hook, family: Family, whom: Whom) -> Factor {
    static KNOWN: [OnceLock<Factor>; 12] = [const { OnceLock::new() }; 12];
    let chain = match hook {
        Hook::Input => 0,
        Hook::Forward => 1,
        Hook::Output => 2,
    };
    let place = 4 * chain + 2 * usize::from(family == Family::V6) + usize::from(whom == Whom::All);
    KNOWN[place].get_or_init(|| Factor::of(boxes(hook, family, whom))).clone()
}

fn boxes(hook: Hook, family: Family, whom: Whom) -> Vec<FieldBox> {
    let lo = [Interface::loopback()];
    let boxes = match hook {
        Hook::Input => arriving(family, whom),
        Hook::Forward => sent_on(family, whom),
        Hook::Output => {
            let looped = FieldBox::of([Constraint::outgoing(&lo), Constraint::to_local()]);
            let others = FieldBox::of([Constraint::not_to_local()]);
            return looped.into_iter().chain(others).collect();
        }
    };
    let unmarked = MarkMatch::new(0, u32::MAX).map(Constraint::mark);
    // Who gets a packet does not ask how many hops it has left.
    let is_sent = hook == Hook::Forward || whom == Whom::Hosts;
    let alive = is_sent.then(|| Constraint::ttl_from(1));
    let fresh = |one: Vec<Constraint>| {
        FieldBox::of(one.into_iter().chain(unmarked.clone()).chain(alive.clone()))
    };
    boxes.into_iter().filter_map(fresh).collect()
}

/// What comes to this machine.
fn arriving(family: Family, whom: Whom) -> Vec<Vec<Constraint>> {
    let from = |nets: &Addresses| Constraint::source(family, nets);
    let to = |nets: &Addresses| Constraint::destination(family, nets);
    let (loopback, lo) = (networks(&LOOPBACK), [Interface::loopback()]);
    let own = to(&all_but(&[&LOOPBACK, &GROUPS, &NOBODIES]));
    let mut boxes = vec![vec![
        from(&loopback),
        to(&loopback),
        Constraint::incoming(&lo),
        Constraint::to_local(),
    ]];
    match whom {
        Whom::Hosts => {
            let hosts = from(&all_but(&[&LOOPBACK, &GROUPS, &NOBODIES]));
            boxes.push(vec![hosts, own, Constraint::to_local()]);
        }
        Whom::All => {
            let strangers = from(&all_but(&[&LOOPBACK, &GROUPS, &[NOBODY]]));
            let groups = to(&networks(&GROUPS));
            let heard = to(&networks(&GROUPS_OF_LINK));
            boxes.extend([
                vec![strangers.clone(), own, Constraint::to_local()],
                vec![strangers, groups, Constraint::not_to_local()],
                vec![from(&networks(&[NOBODY])), heard, Constraint::not_to_local()],
            ]);
        }
    }
    boxes
}

/// What is sent on to others.
fn sent_on(family: Family, whom: Whom) -> Vec<Vec<Constraint>> {
    let (sources, destinations) = match whom {
        Whom::Hosts => {
            let hosts = all_but(&[&LOOPBACK, &GROUPS, &NOBODIES, &[LINK_LOCAL]]);
            (hosts.clone(), hosts)
        }
        Whom::All => {
            let nobody = [NOBODY, "::/128"];
            let never: [&[&str]; 3] = [&LOOPBACK, &nobody, &[LINK_LOCAL]];
            (all_but(&[&never.concat(), &GROUPS]), all_but(&[&never.concat(), &GROUPS_OF_LINK]))
        }
    };
    vec![vec![
        Constraint::source(family, &sources),
        Constraint::destination(family, &destinations),
        Constraint::not_to_local(),
    ]]
}
