//! Whether a bundle proves what it says, with nothing at hand but the bundle and a key.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{About, Bundle, KIND, Proven, VERSION, words};
use crate::{
    proof, tree,
    verify::{Chains, Finding, Findings, Kind, Place, Statement, Stored, Trust},
};

/// What was found out about a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Whether nothing speaks against it.
    pub holds: bool,
    /// What it is about.
    pub about: About,
    /// The keys that signatures were held against.
    pub keys: Vec<String>,
    /// Whether these keys came with what they are to prove.
    pub keys_taken_from_the_bundle: bool,
    /// What happened, in the order in which it was decided.
    pub steps: Vec<Step>,
    /// The checkpoints that hold: stream, size, time and witnesses.
    pub checkpoints: Vec<Signing>,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

/// One event of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The stream it lies in.
    pub stream: String,
    /// Its place there.
    pub seq: u64,
    /// Where it was published.
    pub subject: String,
    /// When it was decided, as it says itself.
    pub time: Option<String>,
    /// The same in a sentence.
    pub says: String,
    /// Its hash, in hex.
    pub hash: String,
    /// What proves it.
    pub covered: Covered,
}

/// What proves an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Covered {
    /// A signed checkpoint.
    Signed,
    /// The chain of its history alone: it is younger than the checkpoint.
    Chained,
    /// Nothing.
    Unproven,
}

/// A checkpoint that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signing {
    /// The stream it is about.
    pub stream: String,
    /// How many events of the stream it covers.
    pub size: u64,
    /// The root over them.
    pub root: String,
    /// When it was signed, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// How many witnesses have signed it too.
    pub witnesses: usize,
}

impl Bundle {
    /// Finds out whether everything in it holds.
    #[must_use]
    pub fn check(&self, trust: &Trust) -> Checked {
        let mut check =
            Check { bundle: self, findings: Findings::default(), signed: BTreeMap::new() };
        check.form();
        check.checkpoints(trust);
        let steps = check.events();
        if self.summary != summary(&self.events) {
            let says = "the summary is not what the events say";
            check.findings.add(Finding::new(Kind::Altered, says));
        }
        let signing = |(stream, it): (&&str, &Statement)| Signing {
            stream: (*stream).to_owned(),
            size: it.size,
            root: it.root.to_string(),
            time: it.time,
            witnesses: it.witnesses,
        };
        let checkpoints = check.signed.iter().map(signing).collect();
        let findings = check.findings.sorted();
        Checked {
            holds: findings.is_empty(),
            about: self.about,
            keys: trust.names(),
            keys_taken_from_the_bundle: trust.is_own(),
            steps,
            checkpoints,
            findings,
        }
    }
}

/// A sentence for each event.
pub(super) fn summary(events: &[Proven]) -> Vec<String> {
    let sentence = |proven: &Proven| {
        let time = proven.event.decided_at().unwrap_or("at no stated time");
        format!("{time}: {}", words::sentence(&proven.event))
    };
    events.iter().map(sentence).collect()
}

struct Check<'a> {
    bundle: &'a Bundle,
    findings: Findings,
    signed: BTreeMap<&'a str, Statement>,
}

impl<'a> Check<'a> {
    fn form(&mut self) {
        let Bundle { kind, version, .. } = self.bundle;
        if kind != KIND || *version != VERSION {
            let says = format!("this is no {KIND} of version {VERSION}");
            self.findings.add(Finding::new(Kind::Unreadable, says));
        }
        if self.bundle.events.is_empty() {
            self.findings.add(Finding::new(Kind::Missing, "there is no event in it"));
        }
    }

    fn checkpoints(&mut self, trust: &Trust) {
        for signed in &self.bundle.checkpoints {
            match trust.read(signed) {
                Ok(statement) => {
                    if self.signed.insert(&signed.stream, statement).is_some() {
                        let says = format!("there are two checkpoints of {}", signed.stream);
                        self.findings.add(Finding::new(Kind::Unreadable, says));
                    }
                }
                Err(finding) => self.findings.add(*finding),
            }
        }
    }

    fn events(&mut self) -> Vec<Step> {
        let mut chains: BTreeMap<&str, Chains> = BTreeMap::new();
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        let bundle = self.bundle;
        let mut steps = Vec::new();
        for proven in &bundle.events {
            let event = &proven.event;
            let place = Place::of(event);
            let before = last.insert(&event.stream, event.seq).unwrap_or_default();
            if event.seq <= before {
                let says = format!("event {} comes after event {before}", event.seq);
                self.tell(Finding::new(Kind::OutOfOrder, says).event(&place), event);
            }
            if let Some(name) = event.repeated() {
                let says = format!("the header {name} is there twice; one of the two is covered");
                self.tell(Finding::new(Kind::RepeatedHeader, says).event(&place), event);
            }
            if !belongs(event, &bundle.about) {
                let says = format!("event {} is about something else", event.seq);
                self.tell(Finding::new(Kind::Altered, says).event(&place), event);
            }
            let raw = event.raw();
            let hash = raw.hash();
            let chain = chains.entry(&event.stream).or_default();
            if chain.take(event, &raw, hash, false).is_err() {
                let says = format!(
                    "event {} does not continue what is here of its history: an event before it is \
                     missing or altered",
                    event.seq
                );
                self.tell(Finding::new(Kind::ChainBroken, says).event(&place), event);
            }
            steps.push(Step {
                stream: event.stream.clone(),
                seq: event.seq,
                subject: event.subject.clone(),
                time: event.decided_at().map(ToOwned::to_owned),
                says: words::sentence(event),
                hash: hash.to_string(),
                covered: self.covered(proven, hash.as_bytes()),
            });
        }
        steps
    }

    fn covered(&mut self, proven: &'a Proven, hash: &[u8; 32]) -> Covered {
        let event = &proven.event;
        let statement = self.signed.get(event.stream.as_str());
        let size = statement.map_or(0, |statement| statement.size);
        let says = match (&proven.path, statement) {
            (None, _) if event.seq > size => return Covered::Chained,
            (None, _) => format!("event {} has no proof, and the checkpoint covers it", event.seq),
            (Some(_), None) => {
                format!("event {} has a proof, and no checkpoint that counts", event.seq)
            }
            (Some(path), Some(statement)) => {
                let leaf = tree::event_leaf(&event.stream, event.seq, hash);
                let index = event.seq.wrapping_sub(1);
                if proof::verify_inclusion(&leaf, index, size, path, &statement.root).is_ok() {
                    return Covered::Signed;
                }
                format!(
                    "event {} is not the one that was signed: its proof leads elsewhere",
                    event.seq
                )
            }
        };
        let place = Place::of(event);
        self.tell(Finding::new(Kind::Altered, says).event(&place), event);
        Covered::Unproven
    }

    fn tell(&mut self, finding: Finding, event: &Stored) {
        self.findings.add(finding.of(&event.stream));
    }
}

/// Whether an event is about what the bundle is about.
fn belongs(event: &Stored, about: &About) -> bool {
    let mut tokens = event.subject.split('.').skip(1);
    let noun = tokens.next().unwrap_or_default();
    let account = tokens.next().unwrap_or_default();
    if account != about.account.to_string() {
        return false;
    }
    let job = about.job.map(|job| job.to_string());
    match (noun, event.stream.as_str(), job) {
        ("account", "ACCOUNTS", None) => true,
        ("job", "JOBS", Some(job)) => tokens.next() == Some(job.as_str()),
        // A delivery says which job it is about in the first of its events alone.
        ("delivery", "DELIVERIES", Some(job)) => {
            let body: Value = serde_json::from_slice(&event.body).unwrap_or_default();
            let told = body.get("job").or_else(|| body.pointer("/told/job"));
            told.is_none_or(|told| told.as_str() == Some(job.as_str()))
        }
        _ => false,
    }
}
