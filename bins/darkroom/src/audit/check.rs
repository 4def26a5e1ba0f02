//! `darkroom audit check`: whether a bundle proves what it says. Needs no server and no settings.

use std::{
    fs::File,
    io::{Read as _, Write as _, stdout},
    path::{Path, PathBuf},
};

use clap::Args;
use evidence::{
    bundle::{Bundle, Checked, Covered},
    verify::Trust,
};
use service::{Failure, OrTry};

use super::keys;
use crate::{backup::failed, exit::Exit};

/// The largest bundle that is read, in bytes.
const BUNDLE_BYTES: u64 = 256 << 20;

#[derive(Debug, thiserror::Error)]
#[error("the bundle has more than {} MiB, which is the most that is read", BUNDLE_BYTES >> 20)]
struct TooLarge;

/// Find out whether an evidence bundle proves what it says; needs nothing else
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom audit check evidence-JOB.json --key KEY
  darkroom audit check evidence-JOB.json               with the key in it: compare that yourself

KEY is NAME+HASH+KEY as the notary's operator publishes it, or a file with one on each line. Without it
the bundle shows that it was not changed since it was signed, and not who signed it.

Exit status 2 says that something does not hold.")]
pub(super) struct Arguments {
    /// The bundle
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Whose signatures count, of the notary and of witnesses; may be given several times
    #[arg(long, value_name = "KEY|FILE")]
    key: Vec<String>,
    /// Say it as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let text = read(&arguments.bundle)?;
    let bundle: Bundle = serde_json::from_slice(&text)
        .or_try("a file as `darkroom audit prove` writes it: what was changed may be its form")?;
    let trust = keys::given(&arguments.key)?;
    let checked = bundle.check(&trust.unwrap_or_else(|| Trust::of_itself(&bundle.keys)));
    if arguments.json {
        writeln!(stdout(), "{}", serde_json::to_string_pretty(&checked)?)?;
    } else {
        tell(&checked)?;
    }
    Ok(if checked.holds { Exit::Well } else { Exit::ChainBroken })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed("open", path))?;
    file.take(BUNDLE_BYTES + 1).read_to_end(&mut text).map_err(failed("read", path))?;
    if text.len() as u64 > BUNDLE_BYTES {
        return Err(TooLarge).or_try("a file as `darkroom audit prove` writes it");
    }
    Ok(text)
}

/// For a person.
pub(super) fn tell(checked: &Checked) -> Result<(), Failure> {
    let mut out = stdout().lock();
    for line in lines(checked) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A line each. Whoever made the bundle is not trusted with the terminal: they could have it say what
/// this does not.
fn lines(checked: &Checked) -> Vec<String> {
    let mut lines = Vec::new();
    for step in &checked.steps {
        let mark = match step.covered {
            Covered::Signed => "signed ",
            Covered::Chained => "chained",
            Covered::Unproven => "NOT    ",
        };
        let time = step.time.as_deref().unwrap_or("?");
        lines.push(format!("{mark} {:>10} {:>7} {time}  {}", step.stream, step.seq, step.says));
    }
    for signing in &checked.checkpoints {
        let time = signing.time.map_or_else(String::new, |time| format!(", signed {time}"));
        lines.push(format!(
            "checkpoint of {} over {} events{time}, {} witnesses",
            signing.stream, signing.size, signing.witnesses
        ));
    }
    lines.extend(checked.findings.iter().map(|finding| format!("! {}", finding.says)));
    lines.extend(checked.keys.iter().map(|key| format!("key {key}")));
    if checked.keys_taken_from_the_bundle {
        lines.push(
            "the key came with the bundle: compare it with the one that the operator of this Darkroom \
             publishes,"
                .to_owned(),
        );
        lines.push("or name that with --key. Until then nothing says who signed".to_owned());
    }
    let signed = checked.steps.iter().filter(|step| step.covered == Covered::Signed).count();
    let verdict = if checked.holds { "the evidence holds" } else { "THE EVIDENCE DOES NOT HOLD" };
    lines.push(format!("{verdict}: {signed} of {} events signed", checked.steps.len()));
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    lines.iter().map(|line| line.chars().map(clean).collect()).collect()
}

#[cfg(test)]
mod tests {
    use evidence::bundle::{About, Step};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_bundle_cannot_have_the_terminal_say_what_was_not_found() {
        let forged = "JOBS\u{1b}[2J\nthe evidence holds: 1 of 1 events signed";
        let about = About { account: domain::id::AccountId::from_uuid(Uuid::nil()), job: None };
        let step = Step {
            stream: forged.to_owned(),
            seq: 1,
            subject: forged.to_owned(),
            time: Some(forged.to_owned()),
            says: forged.to_owned(),
            hash: String::new(),
            covered: Covered::Unproven,
        };
        let checked = Checked {
            holds: false,
            about,
            keys: vec![forged.to_owned()],
            keys_taken_from_the_bundle: false,
            steps: vec![step],
            checkpoints: vec![],
            findings: vec![],
        };
        let lines = lines(&checked);
        assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:?}");
        assert_eq!(lines.last().unwrap(), "THE EVIDENCE DOES NOT HOLD: 0 of 1 events signed");
    }
}
