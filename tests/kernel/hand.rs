//! The policies below `examples/` as rules written by hand, in the form that `iptables-save` prints.
//!
//! They are what a careful administrator would write, and the yardstick for what the compiler
//! makes of the same policies.

use crate::load::Rules;

/// `allow ssh`
pub fn ssh_only() -> Rules {
    rules(include_str!("hand/ssh.v4"), include_str!("hand/ssh.v6"))
}

/// `allow ssh, http, https`
pub fn web() -> Rules {
    rules(include_str!("hand/web.v4"), include_str!("hand/web.v6"))
}

/// `zone wan = eth0; zone lan = eth1`,
/// `allow ssh from lan; allow any from lan to wan; masquerade eth0 out`
pub fn router() -> Rules {
    rules(include_str!("hand/router.v4"), include_str!("hand/router.v6"))
}

/// `zone wan = eth0; zone lan = eth1 { 10.0.0.0/24, fd00:1::/64 }`,
/// `allow ssh; allow any from lan to wan; masquerade from lan to wan`,
/// `forward https from wan to 10.0.0.2:8443@lan hairpin lan`
pub fn published() -> Rules {
    rules(include_str!("hand/published.v4"), include_str!("hand/published.v6"))
}

fn rules(v4: &str, v6: &str) -> Rules {
    Rules { sets: String::new(), v4: v4.to_owned(), v6: v6.to_owned() }
}
