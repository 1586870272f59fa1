//! What other programs put into the kernel, as they leave it there.
//!
//! The files below `others/` are what the tools save beside Docker (IPv4: release 24, IPv6: release
//! 28), kube-proxy with kubelet, libvirt and fail2ban, with counters.

use palisade::net::Family;

use crate::load::{Rules, Variant, add_with_counters};
use crate::netns::Namespace;

macro_rules! rules {
    ($name:literal) => {
        Rules {
            sets: String::new(),
            v4: include_str!(concat!("others/", $name, ".v4")).to_owned(),
            v6: include_str!(concat!("others/", $name, ".v6")).to_owned(),
        }
    };
}

pub fn docker() -> Rules {
    rules!("docker")
}

/// All of them, one after the other, before or behind what is there already.
pub fn build(namespace: &Namespace, variant: Variant) {
    for rules in [docker(), rules!("kubernetes"), rules!("libvirt"), rules!("fail2ban")] {
        for family in Family::BOTH {
            add(namespace, variant, family, rules.of(family));
        }
    }
}

/// Adds rules to those that are there.
pub fn add(namespace: &Namespace, variant: Variant, family: Family, rules: &str) {
    add_with_counters(namespace, variant, family, rules)
        .unwrap_or_else(|error| panic!("{variant:?} {family:?}: {error}\n{rules}"));
}
