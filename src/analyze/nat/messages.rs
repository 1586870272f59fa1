//! Messages about translations.

use std::collections::BTreeSet;

use crate::analyze::text::Text;
use crate::diagnostic::{Finding, Witness, catalogue as lint};
use crate::meaning::Translation;
use crate::resolve::policy::Origin;
use crate::source::Span;

/// What becomes of a packet, after a colon.
pub fn becomes(translation: &Translation) -> String {
    match translation {
        Translation::Exempt => "left as it is".to_owned(),
        Translation::Masquerade => "masqueraded".to_owned(),
        Translation::Source { low, high } if low == high => format!("its source becomes {low}"),
        Translation::Source { low, high } => format!("its source becomes one of {low}-{high}"),
        Translation::Destination { address, port } => {
            let port = port.map(|port| format!(", port {port}")).unwrap_or_default();
            format!("its destination becomes {address}{port}")
        }
        Translation::Redirect { port } => format!("handed to port {port} of this machine"),
        Translation::Netmap { from, to } => format!("moved from {from} to {to}"),
    }
}

pub fn conflict(
    text: Text<'_>,
    [earlier, later]: [Origin; 2],
    translation: &Translation,
    packet: Witness,
) -> Finding {
    let message =
        "two translations want the same packets, and neither is an exception to the other";
    text.about(&lint::NAT_CONFLICT, later, message)
        .label("the later one")
        .related(earlier.span, "the earlier one wins")
        .note(format!("without the earlier one, {}", becomes(translation)))
        .witness(packet)
        .help("move the exception above the general case, or keep the two apart")
}

pub fn target_dropped(
    text: Text<'_>,
    origin: Origin,
    droppers: &BTreeSet<Span>,
    by_docker: bool,
    packet: Witness,
) -> Finding {
    let message = "what is translated here, the filter drops";
    let mut finding = text
        .about(&lint::NAT_TARGET_DROPPED, origin, message)
        .label("its packets never arrive")
        .witness(packet);
    for span in droppers {
        finding = finding.related(*span, "drops them after they were translated");
    }
    if by_docker {
        return finding
            .note("what goes to a container meets the block `docker` first")
            .help("allow it there, by the port that was asked for");
    }
    finding.note("the filter sees a packet with its new destination and port").help(text.say(
        "move this statement above, or let the rules above spare its packets",
        "accept them in the filter, by the new destination and port",
    ))
}

pub fn target_untracked(
    text: Text<'_>,
    origin: Origin,
    untracked: &BTreeSet<Span>,
    packet: Witness,
) -> Finding {
    let message = "what is to be translated here is not tracked, and so never translated";
    let mut finding = text
        .about(&lint::NAT_TARGET_DROPPED, origin, message)
        .label("translates nothing")
        .witness(packet);
    for span in untracked {
        finding = finding.related(*span, "keeps its packets from conntrack");
    }
    finding.note("only conntrack remembers what was translated, and to what").help(text.say(
        "take these packets out of the `notrack`",
        "take these packets out of what `-j CT --notrack` is for",
    ))
}

pub fn sees_translated(text: Text<'_>, rule: Origin, translators: &[Origin]) -> Finding {
    let message = "rule waits for an address that its packets no longer have";
    let mut finding = text
        .about(&lint::FILTER_SEES_TRANSLATED, rule, message)
        .label("never matches a new connection");
    for translator in translators {
        finding = finding.related(translator.span, "gives them another destination first");
    }
    finding.note("destinations are translated before the filter sees a packet").help(text.say(
        "name the new address and port; what a `forward` translates it accepts itself",
        "name the new address and port",
    ))
}

pub fn without_forward(text: Text<'_>, origin: Origin) -> Finding {
    let message = "nothing that is forwarded comes to this translation";
    text.about(&lint::NAT_WITHOUT_FORWARD, origin, message)
        .label("for this machine's own packets only")
        .note("the filter lets no new connection through from there to there")
        .help(text.say(
            "allow what is to be translated: `allow any from lan to wan`",
            "accept in FORWARD what is to be translated",
        ))
}
