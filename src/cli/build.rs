//! `palisade build`: the policy as the kernel loads it.

use std::path::{Path, PathBuf};
use std::thread;

use clap::Args;

use super::digest::digest;
use super::failure::{Failure, Stop};
use super::formats::{Emit, Format};
use super::front::{Checked, Depth, IMPORT, Reading, Understood};
use super::output::Output;
use super::pipeline::{self, Header};
use super::proof::{self, Written};
use super::terminal::Terminal;
use super::terms::TermOptions;
use super::{Outcome, output};
use crate::diagnostic::{Finding, catalogue, has_errors};
use crate::net::Family;
use crate::resolve::Policy;
use crate::source::{FileId, Sources};

const EXAMPLES: &str = "\
Each file is written whole or not at all, and nothing is written when there is an error.

Examples:
  palisade build web.fw | iptables-restore --test
  palisade build web.fw -o /etc/iptables/     rules.v4, rules.v6, ipsets and load
  palisade build web.fw --emit v6 -o rules.v6";

/// Compile a policy to what the kernel loads
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Build {
    /// The policy; `-` is standard input
    file: PathBuf,

    /// Where to write; a folder (or a path that ends in `/`) gets rules.v4, rules.v6, ipsets and
    /// load, a script that loads them
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,

    /// What to write to standard output or one file [default: v4]
    #[arg(long, value_enum)]
    emit: Option<Emit>,

    /// Write rules without the proof that they are what the policy says; their header tells
    #[arg(long)]
    no_proof: bool,

    #[command(flatten)]
    terms: TermOptions,
}

/// What a folder gets, in the order in which the files are renamed: rules may name sets, and who
/// watches rules.v4 finds the others there.
const IN_FOLDER: [(&str, Emit); 4] = [
    ("load", Emit::Load),
    ("ipsets", Emit::Ipsets),
    ("rules.v6", Emit::V6),
    ("rules.v4", Emit::V4),
];

/// Outputs that are proved, if they are to be, and what is said at the top of them.
struct Made {
    header: Header,
    texts: Vec<(Emit, String)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Destination {
    Stdout(Emit),
    File(PathBuf, Emit),
    Folder(PathBuf),
}

impl Build {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Stop> {
        let terms = self.terms.terms()?;
        let destination = Destination::of(self.output.as_deref(), self.emit)?;
        let proves = !self.no_proof;
        let mut made = None;
        let make = |policy: &Understood<'_>| made = destination.make(policy, proves);
        let reading = Reading::to(Depth::Rules, &terms).for_policies("build", IMPORT);
        let mut policy = reading.meanwhile(Box::new(make)).path(&self.file)?;
        if !has_errors(&policy.findings) && destination.leaves_ipv6_out() {
            policy.findings.push(ipv6_not_written());
        }
        policy.tell(Format::Human, terminal)?;
        let header = header_of(&policy, proves);
        let texts = match made {
            Some(made) if made.header == header => made.texts,
            // What was found since is said at the top of the files, or something is wrong and is told.
            Some(_) | None => {
                let texts = destination.compile(&policy, &header, proves)?;
                if proves {
                    refute(&mut policy, &texts, terminal)?;
                }
                texts
            }
        };
        destination.write(texts, &policy, terminal)?;
        // The program ends here, and the system takes memory back at once; to free a large policy
        // piece by piece takes as long as to lower it.
        std::mem::forget(policy);
        Ok(Outcome::Clean)
    }
}

impl Destination {
    fn of(output: Option<&Path>, emit: Option<Emit>) -> Result<Self, Failure> {
        let one = emit.unwrap_or(Emit::V4);
        let Some(path) = output.filter(|path| *path != Path::new("-")) else {
            return Ok(Destination::Stdout(one));
        };
        if !path.is_dir() && !path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Ok(Destination::File(path.to_owned(), one));
        }
        if emit.is_some() {
            let failure = Failure::new("`--emit` writes one file, and the output is a folder");
            return Err(failure.help("leave `--emit` out to get all files, or name one to write"));
        }
        Ok(Destination::Folder(path.to_owned()))
    }

    /// IPv6 is never open by silence: whoever gets rules.v4 alone is told.
    fn leaves_ipv6_out(&self) -> bool {
        match self {
            Destination::Stdout(emit) | Destination::File(_, emit) => *emit == Emit::V4,
            Destination::Folder(_) => false,
        }
    }

    /// What is to be written, with what it takes to prove it.
    fn compile(
        &self,
        policy: &Checked,
        header: &Header,
        proves: bool,
    ) -> Result<Vec<(Emit, String)>, Failure> {
        // A policy without errors was resolved.
        let Some(resolved) = policy.policy() else { return Ok(Vec::new()) };
        self.texts(resolved, header, &policy.sources, proves)
    }

    /// The same of a policy that is still being looked at, if nothing is wrong with it so far, nor with
    /// what is made.
    fn make(&self, policy: &Understood<'_>, proves: bool) -> Option<Made> {
        let Understood { sources, findings, files, .. } = *policy;
        if has_errors(findings) {
            return None;
        }
        let header = header(findings, sources, files, proves);
        let texts = self.texts(policy.policy, &header, sources, proves).ok()?;
        let is_right =
            || proof::faults(policy.meaning, &mut sources.clone(), &written(&texts)).are_none();
        (!proves || is_right()).then_some(Made { header, texts })
    }

    fn texts(
        &self,
        policy: &Policy,
        header: &Header,
        sources: &Sources,
        proves: bool,
    ) -> Result<Vec<(Emit, String)>, Failure> {
        let mut wanted = match self {
            Destination::Stdout(emit) | Destination::File(_, emit) => vec![*emit],
            Destination::Folder(_) => IN_FOLDER.map(|(_, emit)| emit).to_vec(),
        };
        if proves && !policy.sets.is_empty() && matches!(wanted[..], [Emit::V4 | Emit::V6]) {
            wanted.push(Emit::Ipsets);
        }
        let texts = emitted(policy, header, sources, &wanted)?;
        Ok(wanted.into_iter().zip(texts).collect())
    }

    fn write(
        &self,
        texts: Vec<(Emit, String)>,
        policy: &Checked,
        terminal: &Terminal,
    ) -> Result<(), Failure> {
        let mut texts = texts.into_iter();
        match self {
            Destination::Stdout(_) => {
                texts.next().map_or(Ok(()), |(_, text)| terminal.print(&text))
            }
            Destination::File(path, _) => {
                let file = texts.next();
                let file = file.map(|(emit, text)| output_file(path.clone(), emit, text));
                write_files(&file.into_iter().collect::<Vec<_>>(), policy)
            }
            Destination::Folder(folder) => {
                output::create_folder(folder, &policy.within)?;
                let files = IN_FOLDER.into_iter().zip(texts);
                let files = files
                    .map(|((name, emit), (_, text))| output_file(folder.join(name), emit, text))
                    .collect::<Vec<_>>();
                write_files(&files, policy)
            }
        }
    }
}

/// Proves what is to be written; a failure when it is not what the policy says. What differs is told.
fn refute(
    policy: &mut Checked,
    texts: &[(Emit, String)],
    terminal: &Terminal,
) -> Result<(), Failure> {
    let mut sources = std::mem::take(&mut policy.sources);
    let meaning = policy.meaning();
    let faults = meaning.map(|meaning| proof::faults(&meaning, &mut sources, &written(texts)));
    let faults = faults.unwrap_or_default();
    policy.sources = sources;
    if faults.are_none() {
        return Ok(());
    }
    policy.findings = faults.findings;
    terminal.tell_findings(&policy.report());
    let failure = Failure::new("the rules made are not proved to be what the policy says");
    Err(failure.help(if faults.are_bounds {
        "nothing was written; nothing is known to be wrong, but the proof is too much work: do what is \
         said above, or write the rules without it by `--no-proof`"
    } else {
        "nothing was written; this is a fault of palisade, not of the policy: please report it"
    }))
}

/// Of some outputs those that say what happens to packets.
fn written(texts: &[(Emit, String)]) -> Written<'_> {
    let mut written = Written::default();
    for (emit, text) in texts {
        match emit {
            Emit::V4 => written.rules.push((Family::V4, text)),
            Emit::V6 => written.rules.push((Family::V6, text)),
            Emit::Ipsets => written.ipsets = text,
            Emit::Load | Emit::Nft | Emit::Plan | Emit::Json => {}
        }
    }
    written
}

fn output_file(path: PathBuf, emit: Emit, text: String) -> Output {
    let executable = match emit {
        Emit::Load => true,
        Emit::V4 | Emit::V6 | Emit::Ipsets | Emit::Nft | Emit::Plan | Emit::Json => false,
    };
    Output { path, text, executable }
}

fn write_files(files: &[Output], policy: &Checked) -> Result<(), Failure> {
    let inputs: Vec<&Path> = policy.inputs().collect();
    output::write_all(files, &inputs, &policy.within)
}

/// The outputs asked for, all with the same header.
pub(super) fn compile(
    policy: &Checked,
    what: &[Emit],
    proved: bool,
) -> Result<Vec<String>, Failure> {
    // A policy without errors was resolved.
    let Some(resolved) = policy.policy() else { return Ok(Vec::new()) };
    emitted(resolved, &header_of(policy, proved), &policy.sources, what)
}

fn emitted(
    policy: &Policy,
    header: &Header,
    sources: &Sources,
    what: &[Emit],
) -> Result<Vec<String>, Failure> {
    let lowered = pipeline::lower(policy, sources);
    let emit = |what| pipeline::emit(what, &lowered, header, sources);
    let emit = &emit;
    // Outputs know nothing of each other.
    let emitted: Vec<Result<String, Failure>> = thread::scope(|scope| {
        let threads: Vec<_> = what.iter().map(|what| scope.spawn(move || emit(*what))).collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|one| one.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    // As the policy at the end of a build: it is not worth the time to free it.
    std::mem::forget(lowered);
    emitted.into_iter().collect()
}

fn header_of(policy: &Checked, proved: bool) -> Header {
    header(&policy.findings, &policy.sources, &policy.files, proved)
}

fn header(findings: &[Finding], sources: &Sources, files: &[FileId], proved: bool) -> Header {
    let forwarding = &catalogue::FORWARDING_NEEDED;
    let notes = findings.iter().filter(|finding| finding.lint == forwarding);
    let unproved = (!proved).then(|| "not proved to be what the policy says".to_owned());
    Header {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        digest: digest(sources, files),
        notes: notes.map(|finding| finding.message.clone()).chain(unproved).collect(),
    }
}

fn ipv6_not_written() -> Finding {
    Finding::without_place(&catalogue::IPV6_NOT_WRITTEN, "rules.v6 was not written")
        .note("without rules of their own, IPv6 packets are all accepted")
        .help("build into a folder (`-o DIR/`), or run it again with `--emit v6`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_output_goes_is_told_by_the_path() {
        let of = |output: Option<&str>, emit| Destination::of(output.map(Path::new), emit);
        assert_eq!(of(None, None), Ok(Destination::Stdout(Emit::V4)));
        assert_eq!(of(Some("-"), Some(Emit::Nft)), Ok(Destination::Stdout(Emit::Nft)));
        assert_eq!(of(Some("x"), None), Ok(Destination::File("x".into(), Emit::V4)));
        assert_eq!(of(Some("new/"), None), Ok(Destination::Folder("new/".into())));
        assert_eq!(of(Some("/"), None), Ok(Destination::Folder("/".into())));
        assert!(of(Some("new/"), Some(Emit::V6)).is_err());
        assert!(of(None, None).unwrap().leaves_ipv6_out());
        assert!(!of(None, Some(Emit::Plan)).unwrap().leaves_ipv6_out());
        assert!(!of(Some("new/"), None).unwrap().leaves_ipv6_out());
    }
}
