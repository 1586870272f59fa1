//! Rules with one change, of which it is proved that they are not the policy: the kernel does otherwise
//! with the packet that shows it than under the rules that were written.
//!
//! Only packets from outside are sent, the first of their connections, where filter rules make the
//! difference and nothing changes them before.

use std::net::IpAddr;
use std::sync::LazyLock;

use palisade::analyze::equal::{Deed, Difference, compare};
use palisade::analyze::ruled::ruled;
use palisade::meaning::{BaseChain, Decision, Meaning, Translation};
use palisade::net::{CtState, Families, Family};
use palisade::packet::{Budget, Packet, Random};
use palisade::source::MemoryLoader;

use crate::generate;
use crate::ground::{Ground, is_local};
use crate::load::{Variant, restore, restore_sets};
use crate::need;
use crate::sendable::{sendable, timeless};
use crate::slips::slip;
use crate::written::Written;

/// Changes that are shown to the kernel.
const SHOWN: usize = 130;

/// Generated policies that are looked through for them.
const POLICIES: u64 = 1_200;

/// A change that is refuted, with a packet that can be sent.
struct Refuted {
    what: String,
    policy: String,
    written: Written,
    family: Family,
    changed: String,
    packet: Packet,
    /// Whether it passes by the policy, and otherwise by the changed rules.
    passes: bool,
}

impl Refuted {
    fn of(seed: u64) -> Option<Self> {
        let policy = timeless(generate::policy(seed));
        let written = Written::of(&policy, MemoryLoader::default())?;
        let mut random = Random::new(seed);
        let family = *random.pick(&Family::BOTH)?;
        let found = (0..10).find_map(|_| {
            let (what, changed) = slip(written.text(family), &mut random)?;
            let ruleset = written.read(family, &changed)?;
            let [v4, v6] = Family::BOTH.map(|of| Some(&ruleset).filter(|_| of == family));
            let rules = ruled(v4, v6).meaning;
            let only = Families::only(family);
            let found = compare(&written.meaning, &rules, only, Budget::default());
            let sent = found.differences.iter().take(20).find_map(|one| {
                let packet = as_sent(one, &mut random)?;
                let [meant, done] =
                    [&written.meaning, &rules].map(|meaning| passes(meaning, one.base, &packet));
                let (meant, done) = meant.zip(done)?;
                (meant != done).then_some((packet, meant))
            });
            let (packet, passes) = sent?;
            Some((what, changed, packet, passes))
        });
        let (what, changed, packet, passes) = found?;
        Some(Refuted { what, policy, written, family, changed, packet, passes })
    }

    /// Loads its rules, as they were written or changed; what the kernel says against them.
    fn load(&self, ground: &Ground, variant: Variant, is_changed: bool) -> Result<(), String> {
        ground.router.output("ipset", &["flush"], "")?;
        restore_sets(&ground.router, &self.written.ipsets)?;
        Family::BOTH.into_iter().try_for_each(|family| {
            let text = if is_changed && family == self.family {
                &self.changed
            } else {
                self.written.text(family)
            };
            restore(&ground.router, variant, family, text)
        })
    }
}

/// A packet as it comes from a wire, that may be the one of a difference.
fn as_sent(one: &Difference, random: &mut Random) -> Option<Packet> {
    let is_verdict = |deed: &Deed| matches!(deed, Deed::Decide(_));
    let is_filter = matches!(one.base, BaseChain::FilterInput | BaseChain::FilterForward);
    if !is_filter || !is_verdict(&one.left.deed) || !is_verdict(&one.right.deed) {
        return None;
    }
    let is_plain = !is_local(one.packet.source)
        && one.packet.state == CtState::New
        && one.packet.original.is_none()
        && one.packet.opaque.is_empty();
    let mut sent = sendable(Some(one.packet.clone()).filter(|_| is_plain)?, one.base, random)?;
    let is_forwarded = one.base == BaseChain::FilterForward;
    if is_forwarded && sent.outgoing.is_none() {
        sent.outgoing = Some("eth0".into());
    }
    if !is_forwarded {
        sent.outgoing = None;
    }
    (sent.to_local != is_forwarded && !is_nowhere(sent.source) && !is_nowhere(sent.destination))
        .then_some(sent)
}

/// Whether the kernel takes an address for a mistake, or for its own.
fn is_nowhere(address: IpAddr) -> bool {
    let is_reserved = match address {
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.octets()[0] >= 224 || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.segments()[0] == 0,
    };
    is_reserved || address.is_loopback() || address.is_multicast()
}

/// The changes that are shown, each of another policy.
static REFUTED: LazyLock<Vec<Refuted>> = LazyLock::new(|| {
    let refuted = (0..POLICIES).filter_map(Refuted::of);
    refuted.take(SHOWN).collect()
});

/// Whether a packet passes, where only the filter has a say.
fn passes(meaning: &Meaning, base: BaseChain, sent: &Packet) -> Option<bool> {
    let is_forwarded = base == BaseChain::FilterForward;
    let mangle = if is_forwarded { BaseChain::MangleForward } else { BaseChain::MangleInput };
    let as_it_comes = Packet { outgoing: None, ..sent.clone() };
    let mut there = sent.clone();
    there.ttl = there.ttl.checked_sub(u8::from(is_forwarded))?;
    let is_left_alone = |base: BaseChain, packet: &Packet| {
        let found = meaning.trace(base, packet, &mut |_| true);
        let goes_on = match &found.decision {
            Decision::Accept => true,
            Decision::Translate(translation) => **translation == Translation::Exempt,
            Decision::Drop
            | Decision::Reject(_)
            | Decision::Unknown(_)
            | Decision::LeaveToDocker => false,
        };
        goes_on && found.packet == *packet
    };
    let before = [BaseChain::RawPrerouting, BaseChain::ManglePrerouting, BaseChain::NatPrerouting];
    let is_same = before.into_iter().all(|base| is_left_alone(base, &as_it_comes))
        && is_left_alone(mangle, &there)
        && (!is_forwarded || is_left_alone(BaseChain::NatPostrouting, &there))
        && meaning.base(sent.family(), BaseChain::DockerUser).is_none();
    let mut is_asked = false;
    let found = meaning.trace(base, &there, &mut |_| {
        is_asked = true;
        true
    });
    match found.decision {
        _ if !is_same || is_asked => None,
        Decision::Accept => Some(true),
        Decision::Drop | Decision::Reject(_) => Some(false),
        Decision::Translate(_) | Decision::Unknown(_) | Decision::LeaveToDocker => None,
    }
}

fn kernel_does_otherwise(variant: Variant) {
    if !need::met() {
        return;
    }
    let ground = Ground::new();
    let (mut cookies, mut refused, mut unasked) = (1..=u16::MAX, 0, 0);
    let mut all = Vec::new();
    for refuted in REFUTED.iter() {
        let sent = [false, true].map(|is_changed| {
            refuted.load(&ground, variant, is_changed).ok()?;
            let cookie = cookies.next()?;
            ground.send(&refuted.packet, cookie);
            Some(cookie)
        });
        match sent {
            [Some(written), Some(changed)] => all.push((refuted, written, changed)),
            [None, _] => panic!("{variant:?} refuses what was written:\n{}", refuted.policy),
            [Some(_), None] => {
                eprintln!("refused: {}", refuted.what);
                refused += 1;
            }
        }
    }
    let seen = ground.seen();
    let (mut confirmed, mut lost) = (0, 0);
    for (refuted, written, changed) in &all {
        let sightings = [written, changed].map(|cookie| seen.get(&(refuted.family, *cookie)));
        let [Some(written), Some(changed)] = sightings else {
            unasked += 1;
            continue;
        };
        if [written, changed]
            .iter()
            .any(|one| one.asked.as_ref().is_none_or(|asked| asked.state != CtState::New))
        {
            unasked += 1;
            continue;
        }
        let found = [written.passed.is_some(), changed.passed.is_some()];
        assert_eq!(
            found,
            [refuted.passes, !refuted.passes],
            "{variant:?} {}\n{:#?}\n{}",
            refuted.what,
            refuted.packet,
            refuted.policy
        );
        confirmed += 1;
        lost += usize::from(refuted.passes);
    }
    eprintln!(
        "{variant:?}: {confirmed} changes are confirmed, {lost} of them stop what was to pass; \
         {refused} were refused, {unasked} packets did not arrive"
    );
    assert!(confirmed >= 60 && lost >= 5 && confirmed - lost >= 5);
}

#[test]
fn refuted_rules_do_otherwise_by_legacy() {
    kernel_does_otherwise(Variant::Legacy);
}

#[test]
fn refuted_rules_do_otherwise_by_nft() {
    kernel_does_otherwise(Variant::Nft);
}
