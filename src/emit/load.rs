//! The script that loads a folder of outputs, for `sh`.
//!
//! It is the same for every policy but for one thing: whether the rules of others go or stay.

use std::fmt::Write;

use crate::ruleset::Ruleset;

use super::iptables::Header;

const BEGIN: &str = include_str!("load/begin.sh");
const REPLACE: &str = include_str!("load/replace.sh");
const PRESERVE: &str = include_str!("load/preserve.sh");
const END: &str = include_str!("load/end.sh");

/// The script that loads these rulesets, which stand beside it as `rules.v4` and `rules.v6`, and the
/// sets that they name, which stand there as `ipsets`.
#[must_use]
pub fn load_script(v4: &Ruleset, v6: &Ruleset, header: &Header) -> String {
    let preserve = v4.preserve || v6.preserve;
    let mut out = "#!/bin/sh\n".to_owned();
    let _ = writeln!(out, "{}#", header.lines("the script that loads the rules"));
    out.push_str(BEGIN);
    out.push_str(if preserve { PRESERVE } else { REPLACE });
    out.push_str(END);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Family;
    use crate::ruleset::OWN_PREFIX;

    #[test]
    fn the_script_knows_our_chains_by_their_prefix() {
        assert_eq!(PRESERVE.matches(&format!("\"{OWN_PREFIX}\"")).count(), 2);
        assert_eq!(OWN_PREFIX.len(), 4);
    }

    #[test]
    fn what_others_have_is_replaced_or_preserved() {
        let ruleset =
            |family, preserve| Ruleset { family, tables: Vec::new(), sets: Vec::new(), preserve };
        let script = |preserve| {
            let [v4, v6] = Family::BOTH.map(|family| ruleset(family, preserve));
            load_script(&v4, &v6, &Header::default())
        };
        for (preserve, has, has_not) in
            [(true, "--noflush", "--counters"), (false, "--counters", "--noflush")]
        {
            let text = script(preserve);
            assert!(text.starts_with("#!/bin/sh\n# palisade "), "{text}");
            assert!(text.contains(has) && !text.contains(has_not), "{text}");
        }
    }
}
