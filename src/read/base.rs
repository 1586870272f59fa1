//! The options that are no match's and no target's.

/// What such an option is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Source,
    Destination,
    In,
    Out,
    Protocol,
    Fragment,
    Match,
    Jump,
    Goto,
    Counters,
    OnlyV4,
    OnlyV6,
    Command(Verb),
    /// About the tool, or a change of what is there.
    Other,
}

impl Base {
    /// Whether a word is its value.
    pub fn has_value(self) -> bool {
        match self {
            Base::Source
            | Base::Destination
            | Base::In
            | Base::Out
            | Base::Protocol
            | Base::Match
            | Base::Jump
            | Base::Goto
            | Base::Counters
            | Base::Command(_)
            // Refused, whatever follows.
            | Base::Other => true,
            Base::Fragment | Base::OnlyV4 | Base::OnlyV6 => false,
        }
    }
}

/// What a line is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Append,
    Insert,
    New,
    Policy,
}

pub(super) fn short(letter: &str) -> Option<Base> {
    Some(match letter {
        "-A" => Base::Command(Verb::Append),
        "-s" => Base::Source,
        "-d" => Base::Destination,
        "-i" => Base::In,
        "-o" => Base::Out,
        "-p" => Base::Protocol,
        "-m" => Base::Match,
        "-j" => Base::Jump,
        "-g" => Base::Goto,
        "-f" => Base::Fragment,
        "-c" => Base::Counters,
        "-4" => Base::OnlyV4,
        "-6" => Base::OnlyV6,
        "-I" => Base::Command(Verb::Insert),
        "-N" => Base::Command(Verb::New),
        "-P" => Base::Command(Verb::Policy),
        "-t" | "-D" | "-R" | "-C" | "-F" | "-X" | "-Z" | "-E" | "-L" | "-S" | "-h" | "-n"
        | "-v" | "-V" | "-x" | "-w" | "-W" | "-M" | "-b" => Base::Other,
        _ => return None,
    })
}

/// By their long names, of which any beginning will do that no other has.
pub(super) const LONG: &[(&str, Base)] = &[
    ("source", Base::Source),
    ("src", Base::Source),
    ("destination", Base::Destination),
    ("dst", Base::Destination),
    ("in-interface", Base::In),
    ("out-interface", Base::Out),
    // `proto` is the beginning of this one, unless `-m policy` has it.
    ("protocol", Base::Protocol),
    ("fragments", Base::Fragment),
    ("fragment", Base::Fragment),
    ("match", Base::Match),
    ("jump", Base::Jump),
    ("goto", Base::Goto),
    ("set-counters", Base::Counters),
    ("ipv4", Base::OnlyV4),
    ("ipv6", Base::OnlyV6),
    ("append", Base::Command(Verb::Append)),
    ("insert", Base::Command(Verb::Insert)),
    ("new-chain", Base::Command(Verb::New)),
    ("policy", Base::Command(Verb::Policy)),
    ("table", Base::Other),
    ("delete", Base::Other),
    ("delete-chain", Base::Other),
    ("replace", Base::Other),
    ("check", Base::Other),
    ("flush", Base::Other),
    ("zero", Base::Other),
    ("rename-chain", Base::Other),
    ("list", Base::Other),
    ("list-rules", Base::Other),
    ("help", Base::Other),
    ("numeric", Base::Other),
    ("verbose", Base::Other),
    ("version", Base::Other),
    ("exact", Base::Other),
    ("wait", Base::Other),
    ("modprobe", Base::Other),
    ("line-numbers", Base::Other),
];
