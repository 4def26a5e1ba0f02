//! Every key of the tree, made in one place.

use domain::{
    Timestamp, endpoint,
    id::{AccountId, DeliveryId, JobId},
    job::{self, Status},
    member, upload,
};

use crate::entry::Stream;

pub(crate) type Key = Vec<u8>;

/// Which shape the rows have.
pub(crate) const FORMAT: &[u8] = b"!format";

/// How far into `stream` the rows reach.
pub(crate) fn position(stream: Stream) -> Key {
    key("!position/", &[stream.name().as_bytes()])
}

/// A message that could not be read.
pub(crate) fn unreadable(stream: Stream, seq: u64) -> Key {
    key("unreadable/", &[stream.name().as_bytes(), b"/", &seq.to_be_bytes()])
}

/// A job. Its account comes first, so that no other account's request can reach it.
pub(crate) fn job(id: job::Id) -> Key {
    key("job/", &[id.account.as_uuid().as_bytes(), id.job.as_uuid().as_bytes()])
}

/// An account.
pub(crate) fn account(id: AccountId) -> Key {
    key("account/", &[id.as_uuid().as_bytes()])
}

/// The application with this public key.
pub(crate) fn application(public: &str) -> Key {
    key("app/", &[public.as_bytes()])
}

/// A member.
pub(crate) fn member(id: member::Id) -> Key {
    key("member/", &[id.account.as_uuid().as_bytes(), id.member.as_uuid().as_bytes()])
}

/// The start of an account's members.
pub(crate) fn members(account: AccountId) -> Key {
    key("member/", &[account.as_uuid().as_bytes()])
}

/// A member of any account by the digest of their address.
pub(crate) fn address(email_digest: &str, id: member::Id) -> Key {
    let mut address = addresses(email_digest);
    address.extend_from_slice(id.account.as_uuid().as_bytes());
    address.extend_from_slice(id.member.as_uuid().as_bytes());
    address
}

/// The start of the members of all accounts with this digest of their address.
pub(crate) fn addresses(email_digest: &str) -> Key {
    key("address/", &[email_digest.as_bytes(), b"/"])
}

/// A session by the digest of its token.
pub(crate) fn session(token_digest: &str) -> Key {
    key("session/", &[token_digest.as_bytes()])
}

/// An upload.
pub(crate) fn upload(id: upload::Id) -> Key {
    key("upload/", &[id.account.as_uuid().as_bytes(), id.upload.as_uuid().as_bytes()])
}

/// The start of an account's uploads.
pub(crate) fn uploads(account: AccountId) -> Key {
    key("upload/", &[account.as_uuid().as_bytes()])
}

/// An endpoint.
pub(crate) fn endpoint(id: endpoint::Id) -> Key {
    key("endpoint/", &[id.account.as_uuid().as_bytes(), id.endpoint.as_uuid().as_bytes()])
}

/// The start of an account's endpoints.
pub(crate) fn endpoints(account: AccountId) -> Key {
    key("endpoint/", &[account.as_uuid().as_bytes()])
}

/// A delivery. Its id alone says which endpoint it goes to.
pub(crate) fn delivery(account: AccountId, id: DeliveryId) -> Key {
    key("delivery/", &[account.as_uuid().as_bytes(), id.as_uuid().as_bytes()])
}

/// The start of the list of deliveries to an endpoint.
pub(crate) fn deliveries_to(id: endpoint::Id) -> Key {
    key("sent-to/", &[id.account.as_uuid().as_bytes(), id.endpoint.as_uuid().as_bytes()])
}

/// The start of the list of deliveries that tell of a job.
pub(crate) fn deliveries_of(id: job::Id) -> Key {
    key("sent-of/", &[id.account.as_uuid().as_bytes(), id.job.as_uuid().as_bytes()])
}

/// The start of the list of an account's deliveries that stand like this.
pub(crate) fn deliveries_in(account: AccountId, standing: &str) -> Key {
    key("sent-in/", &[account.as_uuid().as_bytes(), standing.as_bytes(), b"/"])
}

/// The start of an account's list of jobs of one status.
pub(crate) fn list_of(account: AccountId, status: Status) -> Key {
    key("stat/", &[account.as_uuid().as_bytes(), status.name().as_bytes(), b"/"])
}

/// How many of an account's jobs have a status.
pub(crate) fn count(account: AccountId, status: Status) -> Key {
    key("count/", &[account.as_uuid().as_bytes(), status.name().as_bytes()])
}

/// How many jobs of all accounts have a status.
pub(crate) fn count_of_all(status: Status) -> Key {
    key("all/", &[status.name().as_bytes()])
}

/// What an account used on a day.
pub(crate) fn usage(account: AccountId, day: u32) -> Key {
    key("usage/", &[account.as_uuid().as_bytes(), &day.to_be_bytes()])
}

/// What of an account's is in use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Held {
    Jobs,
    Uploads,
    UploadBytes,
    DevelopmentBytes,
}

/// How much of that there is.
pub(crate) fn held(account: AccountId, what: Held) -> Key {
    let name: &[u8] = match what {
        Held::Jobs => b"jobs",
        Held::Uploads => b"uploads",
        Held::UploadBytes => b"upload_bytes",
        Held::DevelopmentBytes => b"development_bytes",
    };
    key("held/", &[account.as_uuid().as_bytes(), name])
}

/// A job's place in a list: newest first, and no two alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place([u8; Self::LEN]);

impl Place {
    pub(crate) const LEN: usize = 24;

    pub(crate) fn new(requested_at: Timestamp, job: JobId) -> Self {
        Self::of(requested_at, job.as_uuid())
    }

    pub(crate) fn of(at: Timestamp, id: uuid::Uuid) -> Self {
        // Flipping the sign bit orders negative times before positive ones; the complement turns
        // the order round.
        let ordered = at.as_millisecond().cast_unsigned() ^ (1 << 63);
        let mut place = [0; Self::LEN];
        let (time, last) = place.split_at_mut(8);
        time.copy_from_slice(&(!ordered).to_be_bytes());
        last.copy_from_slice(id.as_bytes());
        Self(place)
    }

    pub(crate) const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    pub(crate) fn job(&self) -> JobId {
        JobId::from_uuid(self.id())
    }

    pub(crate) fn id(&self) -> uuid::Uuid {
        let mut id = [0; 16];
        id.copy_from_slice(self.0.split_at(8).1);
        uuid::Uuid::from_bytes(id)
    }
}

/// A job's key in the list that starts with `list`.
pub(crate) fn listed(mut list: Key, place: Place) -> Key {
    list.extend_from_slice(place.as_bytes());
    list
}

/// Whether a number lies under a key.
pub(crate) fn is_number(key: &[u8]) -> bool {
    ["!", "count/", "all/", "held/"].iter().any(|prefix| key.starts_with(prefix.as_bytes()))
}

/// Whether what lies under a key says something of its own; other keys lead to such a row, or count
/// what is not one account's.
pub(crate) fn is_told(key: &[u8]) -> bool {
    const TOLD: [&str; 10] = [
        "account/",
        "count/",
        "delivery/",
        "endpoint/",
        "held/",
        "job/",
        "member/",
        "unreadable/",
        "upload/",
        "usage/",
    ];
    TOLD.iter().any(|prefix| key.starts_with(prefix.as_bytes()))
}

/// A key for people: what kind of row, and which.
pub(crate) fn describe(key: &[u8]) -> String {
    let slash = key.iter().position(|byte| *byte == b'/').map_or(key.len(), |at| at + 1);
    let (prefix, rest) = key.split_at(slash);
    let id = |bytes: &[u8]| uuid::Uuid::from_slice(bytes).map(|id| id.to_string()).ok();
    let (first, more) = rest.split_at_checked(16).unwrap_or((rest, &[]));
    let (of, word) = (id(first).unwrap_or_default(), more.escape_ascii());
    let which = id(more).unwrap_or_default();
    let placed = || more.last_chunk::<{ Place::LEN }>().map(|place| Place::from_bytes(*place).id());
    let entry = || placed().map(|id| id.to_string()).unwrap_or_default();
    match prefix {
        b"job/" => format!("job {which} of account {of}"),
        b"account/" => format!("account {of}"),
        b"member/" => format!("member {which} of account {of}"),
        b"upload/" => format!("upload {which} of account {of}"),
        b"endpoint/" => format!("endpoint {which} of account {of}"),
        b"delivery/" => format!("delivery {which} of account {of}"),
        b"app/" => format!("holder of the key {}", rest.escape_ascii()),
        b"address/" => "member by a digest of their address".to_owned(),
        b"session/" => "session by the digest of its token".to_owned(),
        b"stat/" => format!("job {} in a list by status of account {of}", entry()),
        b"sent-to/" | b"sent-of/" | b"sent-in/" => {
            format!("delivery {} in a list of account {of}", entry())
        }
        b"count/" => format!("number of jobs {word} of account {of}"),
        b"all/" => format!("number of jobs {} of all accounts", rest.escape_ascii()),
        b"held/" => format!("{word} in use of account {of}"),
        b"usage/" => {
            let day = more.try_into().map(u32::from_be_bytes).unwrap_or_default();
            format!("usage of account {of} on {}", crate::projection::usage::date_of(day))
        }
        b"unreadable/" => format!("unreadable message {}", rest.escape_ascii()),
        _ => key.escape_ascii().to_string(),
    }
}

fn key(prefix: &str, parts: &[&[u8]]) -> Key {
    let mut key =
        Key::with_capacity(prefix.len() + parts.iter().map(|part| part.len()).sum::<usize>() + 24);
    key.extend_from_slice(prefix.as_bytes());
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

#[cfg(test)]
mod tests {
    use domain::id::JobId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_says_what_lies_under_it() {
        let (account, job) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let of = AccountId::from_uuid(account);
        let id = job::Id { account: of, job: JobId::from_uuid(job) };
        let list = list_of(of, Status::Queued);
        let listed = super::listed(list.clone(), Place::new(Timestamp::UNIX_EPOCH, id.job));
        for (key, expected) in [
            (super::job(id), format!("job {job} of account {account}")),
            (listed, format!("job {job} in a list by status of account {account}")),
            (held(of, Held::Jobs), format!("jobs in use of account {account}")),
            (usage(of, 1), format!("usage of account {account} on 1970-01-02")),
            (position(Stream::Jobs), "!position/jobs".to_owned()),
            (b"job/short".to_vec(), "job  of account ".to_owned()),
        ] {
            assert_eq!(describe(&key), expected);
        }
        assert!(is_told(&super::job(id)) && !is_told(&list));
    }

    #[test]
    fn newer_jobs_come_first() {
        let job = JobId::from_uuid(Uuid::from_u128(7));
        let place = |ms| Place::new(Timestamp::from_millisecond(ms).expect("a time"), job);
        assert!(place(2) < place(1));
        assert!(place(0) < place(-1));
        assert_eq!(place(5).job(), job);
    }
}
