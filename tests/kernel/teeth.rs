//! Examples that cannot fail would prove nothing: with one rule broken, each must.

use std::thread;

use palisade::net::Family::{self, V4, V6};

use crate::load::Rules;
use crate::{examples, hand, need};

/// In the rules of a family, a text and what is to stand in its place.
type Fault = (Family, &'static str, &'static str);

/// The example fails with each of the faults.
fn notices(example: fn(&Rules), rules: fn() -> Rules, faults: &[Fault]) {
    if !need::met() {
        return;
    }
    // At the same time, since a failing example mostly waits.
    thread::scope(|scope| {
        let runs = faults.iter().map(|fault| {
            let rules = with_fault(rules(), fault);
            (fault, scope.spawn(move || example(&rules)))
        });
        for (fault, run) in runs.collect::<Vec<_>>() {
            let panic = run.join().expect_err(&format!("{fault:?} was not noticed"));
            let message = panic.downcast_ref::<String>().map_or("", String::as_str);
            let by_traffic = message.contains("left: ");
            assert!(by_traffic, "{fault:?} was not noticed by traffic, but by: {message}");
        }
    });
}

fn with_fault(mut rules: Rules, (family, right, wrong): &Fault) -> Rules {
    let text = match family {
        V4 => &mut rules.v4,
        V6 => &mut rules.v6,
    };
    assert!(text.contains(right), "there is no {right:?} to replace");
    *text = text.replacen(right, wrong, 1);
    rules
}

#[test]
fn ssh_only_notices() {
    let established = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
    let solicitation = "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT\n";
    let mut faults = vec![(V6, solicitation, "")];
    for family in [V4, V6] {
        faults.extend([
            (family, ":INPUT DROP", ":INPUT ACCEPT"),
            (family, ":FORWARD DROP", ":FORWARD ACCEPT"),
            (family, "--dport 22 -j ACCEPT", "--dport 23 -j ACCEPT"),
            (family, "-A INPUT -i lo -j ACCEPT\n", ""),
            (family, established, ""),
        ]);
    }
    notices(examples::ssh_only, hand::ssh_only, &faults);
}

#[test]
fn web_notices() {
    let https = "-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT\n";
    let open = "-A INPUT -j ACCEPT\n";
    notices(
        examples::web,
        hand::web,
        &[(V4, https, ""), (V6, https, ""), (V4, https, open), (V6, https, open)],
    );
}

#[test]
fn router_notices() {
    let masquerade = "-A POSTROUTING -o eth0 -j MASQUERADE\n";
    let established = "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
    let advertisement = "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j ACCEPT\n";
    let mut faults = vec![
        (V4, masquerade, ""),
        (V4, masquerade, "-A POSTROUTING -o eth1 -j MASQUERADE\n"),
        (V4, "-i eth1 -p tcp", "-p tcp"),
        (V6, "-i eth1 -p tcp", "-p tcp"),
        (V6, advertisement, ""),
    ];
    for family in [V4, V6] {
        faults.extend([
            (family, ":FORWARD DROP", ":FORWARD ACCEPT"),
            (family, "-i eth1 -o eth0 -j ACCEPT", "-i eth0 -o eth1 -j ACCEPT"),
            (family, established, ""),
        ]);
    }
    notices(examples::router, hand::router, &faults);
}

#[test]
fn published_notices() {
    let translated = " -m conntrack --ctstate DNAT --ctorigdstport 443 -j ACCEPT";
    notices(
        examples::published,
        hand::published,
        &[
            // Another machine, and no translation from inside.
            (V4, "-j DNAT --to-destination 10.0.0.2", "-j DNAT --to-destination 10.0.0.3"),
            (V4, "-i eth1 -p tcp -m tcp --dport 443", "-i eth9 -p tcp -m tcp --dport 443"),
            // The server sees the pc and answers it past the router.
            (V4, "-j MASQUERADE", "-j ACCEPT"),
            // The translated packet is not let through, and the untranslated one is.
            (V4, "-i eth0 -o eth1 -p tcp", "-i eth9 -o eth1 -p tcp"),
            (V4, "-i eth1 -o eth1 -p tcp", "-i eth9 -o eth1 -p tcp"),
            (V4, translated, " -j ACCEPT"),
            (V4, ":FORWARD DROP", ":FORWARD ACCEPT"),
            (V6, ":FORWARD DROP", ":FORWARD ACCEPT"),
            (V6, ":INPUT DROP", ":INPUT ACCEPT"),
        ],
    );
}
