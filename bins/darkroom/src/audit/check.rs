//! `darkroom audit check`: whether a bundle proves what it says. Needs no server and no settings.

use std::{
    fs,
    io::{Write as _, stdout},
    path::PathBuf,
};

use clap::Args;
use evidence::{
    bundle::{Bundle, Checked, Covered},
    verify::Trust,
};
use service::{Failure, OrTry};

use super::keys;
use crate::{backup::failed, exit::Exit};

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
    let text = fs::read(&arguments.bundle).map_err(failed("read", &arguments.bundle))?;
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

/// For a person.
pub(super) fn tell(checked: &Checked) -> Result<(), Failure> {
    let mut out = stdout().lock();
    for step in &checked.steps {
        let mark = match step.covered {
            Covered::Signed => "signed ",
            Covered::Chained => "chained",
            Covered::Unproven => "NOT    ",
        };
        let time = step.time.as_deref().unwrap_or("?");
        writeln!(out, "{mark} {:>10} {:>7} {time}  {}", step.stream, step.seq, step.says)?;
    }
    for signing in &checked.checkpoints {
        write!(out, "checkpoint of {} over {} events", signing.stream, signing.size)?;
        if let Some(time) = signing.time {
            write!(out, ", signed {time}")?;
        }
        writeln!(out, ", {} witnesses", signing.witnesses)?;
    }
    for finding in &checked.findings {
        writeln!(out, "! {}", finding.says)?;
    }
    for key in &checked.keys {
        writeln!(out, "key {key}")?;
    }
    if checked.keys_taken_from_the_bundle {
        writeln!(
            out,
            "the key came with the bundle: compare it with the one that the operator of this Darkroom \
             publishes,\nor name that with --key. Until then nothing says who signed"
        )?;
    }
    let signed = checked.steps.iter().filter(|step| step.covered == Covered::Signed).count();
    let verdict = if checked.holds { "the evidence holds" } else { "THE EVIDENCE DOES NOT HOLD" };
    writeln!(out, "{verdict}: {signed} of {} events signed", checked.steps.len())?;
    Ok(())
}
