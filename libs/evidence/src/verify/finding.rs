//! What does not hold, and in which words it is said.

use serde::Serialize;

use super::record::Stored;

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An event is not the one that the tree was made of.
    Altered,
    /// An event that the tree holds is not there.
    Missing,
    /// The last events that a checkpoint speaks of are not there.
    CutOff,
    /// Events are gone that the stream's own rule would still have kept.
    RemovedEarly,
    /// An event does not continue the one before it in its history.
    ChainBroken,
    /// Messages do not come in the order of their sequences.
    OutOfOrder,
    /// A header that the hash covers is there twice.
    RepeatedHeader,
    /// No checkpoint says what the events and tiles say.
    TreeDiffers,
    /// Two signed checkpoints cannot both be true.
    Contradicted,
    /// A checkpoint is not signed by a key that counts.
    NotSigned,
    /// No checkpoint at all covers a stream that holds events.
    Unsigned,
    /// The notary signs nothing more of a stream, and says why.
    Halted,
    /// Leaves are gone, so that the tree cannot be made again.
    LeavesMissing,
    /// Leaves are not those of the events, which the checkpoints confirm.
    LeavesDamaged,
    /// A line cannot be read.
    Unreadable,
    /// The export ends before its end.
    Incomplete,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// In which stream, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The first event that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The last, where it is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_seq: Option<u64>,
    /// Where the first was published, if it is there to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The job that the first is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// How many there are of it; the first is told.
    pub count: u64,
    /// The same for a person.
    pub says: String,
}

impl Finding {
    pub(crate) fn new(kind: Kind, says: impl Into<String>) -> Self {
        Self {
            kind,
            stream: None,
            seq: None,
            to_seq: None,
            subject: None,
            job: None,
            count: 1,
            says: says.into(),
        }
    }

    pub(crate) fn of(mut self, stream: &str) -> Self {
        self.stream = Some(stream.to_owned());
        self
    }

    pub(crate) const fn at(mut self, seq: u64) -> Self {
        self.seq = Some(seq);
        self
    }

    pub(crate) const fn to(mut self, seq: u64) -> Self {
        self.to_seq = Some(seq);
        self
    }

    pub(crate) fn event(mut self, place: &Place) -> Self {
        self.job = place.job().map(ToOwned::to_owned);
        self.subject = Some(place.subject.clone());
        self.at(place.seq)
    }
}

/// Which event, for as long as it takes to find out what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) seq: u64,
    pub(crate) subject: String,
}

impl Place {
    pub(crate) fn of(event: &Stored) -> Self {
        Self { seq: event.seq, subject: event.subject.clone() }
    }

    /// `darkroom.job.<account>.<job>.<event>`
    fn job(&self) -> Option<&str> {
        let mut tokens = self.subject.strip_prefix("darkroom.job.")?.split('.');
        tokens.nth(1).filter(|job| !job.is_empty())
    }
}

/// The findings of one stream: of each kind the first, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    /// Adds one; a kind that is there already is only counted.
    pub(crate) fn add(&mut self, finding: Finding) {
        match self.0.iter_mut().find(|known| known.kind == finding.kind) {
            Some(known) => known.count += finding.count,
            None => self.0.push(finding),
        }
    }

    /// All of them: first what is sure of one event, then what may be about several, the earliest
    /// first, and last what is about no event.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        let sure: Vec<u64> =
            self.0.iter().filter(|it| it.kind.names_an_event()).filter_map(|it| it.seq).collect();
        let rank = |it: &Finding| {
            let seq = it.seq.unwrap_or(u64::MAX);
            let span = seq..=it.to_seq.unwrap_or(seq);
            let explained = || sure.iter().any(|seq| span.contains(seq));
            match it.kind {
                kind if kind.names_an_event() => (0, seq),
                // Of two events one was altered; where it is known which, that is told first.
                Kind::ChainBroken if !explained() => (0, seq),
                Kind::ChainBroken => (1, seq),
                Kind::Contradicted | Kind::TreeDiffers => (2, seq),
                _ => (3, seq),
            }
        };
        self.0.sort_by_key(rank);
        self.0
    }
}

impl Kind {
    /// Whether it is one event, or a place where one should be, with which something is wrong.
    const fn names_an_event(self) -> bool {
        match self {
            Self::Altered
            | Self::Missing
            | Self::CutOff
            | Self::RemovedEarly
            | Self::OutOfOrder
            | Self::RepeatedHeader => true,
            Self::ChainBroken
            | Self::TreeDiffers
            | Self::Contradicted
            | Self::NotSigned
            | Self::Unsigned
            | Self::Halted
            | Self::LeavesMissing
            | Self::LeavesDamaged
            | Self::Unreadable
            | Self::Incomplete => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_kind_the_first_is_told_and_the_rest_are_counted() {
        let mut findings = Findings::default();
        findings.add(Finding::new(Kind::NotSigned, "key"));
        findings.add(Finding::new(Kind::Altered, "a").at(7));
        findings.add(Finding::new(Kind::Altered, "b").at(9));
        findings.add(Finding::new(Kind::Missing, "c").at(3));
        findings.add(Finding::new(Kind::ChainBroken, "d").at(2).to(5));
        findings.add(Finding::new(Kind::TreeDiffers, "e").at(1).to(9));
        let sorted = findings.sorted();
        let told: Vec<_> = sorted.iter().map(|it| (it.kind, it.seq, it.count)).collect();
        let expected = [
            (Kind::Missing, Some(3), 1),
            (Kind::Altered, Some(7), 2),
            (Kind::ChainBroken, Some(2), 1),
            (Kind::TreeDiffers, Some(1), 1),
            (Kind::NotSigned, None, 1),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_job_is_read_off_a_subject() {
        let job = |subject: &str| {
            Place { seq: 1, subject: subject.to_owned() }.job().map(ToOwned::to_owned)
        };
        assert_eq!(job("darkroom.job.acc.j-1.requested").as_deref(), Some("j-1"));
        assert_eq!(job("darkroom.account.acc.opened"), None);
    }
}
