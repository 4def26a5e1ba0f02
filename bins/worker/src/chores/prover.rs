//! Destinations whose credentials are to be tried: when they are set, when somebody asks, and daily.
//!
//! One message keeps watch over a destination, the newest that named it: it comes back until
//! another takes its place. Older ones are done with as soon as they come back.

use std::{sync::Arc, time::Duration};

use domain::{
    Aggregate, FailureCode, Timestamp,
    account::{self, Accounts, Destination, PROVEN_EVERY, Refusal, State, TRIED_AGAIN_EVERY},
    failure::Persistence,
    id::AccountId,
    proof::Proof,
    sealed::field,
};
use eventlog::{
    Log, ReadError, TransactError,
    follow::{Delivered, Verdict},
    topology,
};
use jiff::SignedDuration;
use storage::ObjectHeaders;

use super::{TROUBLE, wait};
use crate::{
    desk::Desk,
    stop::{Stop, storage_failure},
};

/// How long trying a destination may take.
const LONGEST_TRY: Duration = Duration::from_secs(180);
/// The events whose messages keep watch.
const WATCHES: [&str; 2] = ["destination_set", "proof_requested"];
/// The most characters of a failure's detail that are kept.
const DETAIL_CHARS: usize = 500;

/// What came of trying.
enum Outcome {
    Proof(Proof),
    Failure {
        code: FailureCode,
        detail: String,
    },
    /// The account's keys are shredded.
    Erased,
    /// It was not the destination's fault; nothing was found out.
    Trouble(custody::Error),
}

/// What keeps a chore from being done.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("read what is known of the account")]
    Read(#[from] ReadError),
    #[error("record what was found out")]
    Record(#[from] TransactError<Refusal>),
    #[error("open or seal the account's fields")]
    Custody(#[from] custody::Error),
}

/// Does what the message asks for.
pub(super) async fn handle(desk: Arc<Desk>, delivered: Delivered) -> Verdict {
    let account = match delivered.raw.decode::<Accounts>() {
        Ok(recorded) => recorded.id,
        Err(error) => return Verdict::Park(service::Chain(&error).to_string()),
    };
    match watch(&desk, account, delivered.raw.seq).await {
        Ok(verdict) => verdict,
        Err(error) => {
            let error = service::Chain(&error);
            tracing::warn!(account.id = %account, %error, "a destination could not be looked after");
            Verdict::Again(TROUBLE)
        }
    }
}

/// What a message asks for.
#[derive(Debug, PartialEq)]
enum Step<'a> {
    /// Nothing any more.
    Done,
    /// Nothing before this time.
    Wait(Timestamp),
    /// To try this destination.
    Try(&'a Destination),
}

fn step(state: &State, now: Timestamp) -> Step<'_> {
    match state.destination.as_ref().filter(|_| state.is_open()) {
        None => Step::Done,
        Some(own) => match state.knowledge.next_try() {
            Some(at) if at > now => Step::Wait(at),
            Some(_) | None => Step::Try(own),
        },
    }
}

async fn watch(desk: &Desk, account: AccountId, seq: u64) -> Result<Verdict, Trouble> {
    // Somebody else keeps watch.
    if newest(&desk.log, account).await? > seq {
        return Ok(Verdict::Done);
    }
    let (state, now) = (desk.log.load::<Accounts>(&account).await?.state, desk.clock.now());
    let own = match step(&state, now) {
        Step::Done => return Ok(Verdict::Done),
        Step::Wait(at) => return Ok(Verdict::Again(wait(at, now))),
        Step::Try(own) => own,
    };
    let tried = tokio::time::timeout(LONGEST_TRY, try_out(desk, account, own));
    let slow = || Outcome::Failure {
        code: FailureCode::DestinationTimeout,
        detail: format!("trying took longer than {} seconds", LONGEST_TRY.as_secs()),
    };
    let outcome = tried.await.unwrap_or_else(|_elapsed| slow());
    match record(desk, account, own, outcome).await {
        // Results go elsewhere by now, or nowhere.
        Err(Trouble::Record(TransactError::Refused(_))) => Ok(Verdict::Done),
        verdict => verdict,
    }
}

/// The place of the last message that named a destination of the account's.
async fn newest(log: &Log, account: AccountId) -> Result<u64, Trouble> {
    let mut newest = 0;
    for event in WATCHES {
        let subject = format!("{}.{event}", Accounts::prefix(&account));
        let last = log.last(topology::ACCOUNTS, &subject).await?;
        newest = newest.max(last.map_or(0, |raw| raw.seq));
    }
    Ok(newest)
}

/// Tries the credentials, as jobs would use them.
async fn try_out(desk: &Desk, account: AccountId, own: &Destination) -> Outcome {
    let (destination, headers) = match desk.custody.unseal_destination(account, own).await {
        Ok(unsealed) => unsealed,
        Err(custody::Error::Erased) => return Outcome::Erased,
        Err(error) => return Outcome::Trouble(error),
    };
    let proven = match ObjectHeaders::parse(&headers) {
        Ok(headers) => storage::prove(destination, headers, &desk.networks.to(&own.place)).await,
        Err(error) => Err(error.into()),
    };
    match proven.map_err(|error| storage_failure(&error)) {
        Ok(proof) => Outcome::Proof(proof),
        Err(Stop::Failed { code, detail, .. }) => Outcome::Failure { code, detail },
        Err(stop) => Outcome::Failure { code: FailureCode::Internal, detail: stop.to_string() },
    }
}

/// Records what was found out, and says when to look again.
async fn record(
    desk: &Desk,
    account: AccountId,
    own: &Destination,
    outcome: Outcome,
) -> Result<Verdict, Trouble> {
    let (id, now) = (own.destination, desk.clock.now());
    match outcome {
        Outcome::Erased => Ok(Verdict::Done),
        Outcome::Trouble(error) => Err(error.into()),
        Outcome::Proof(proof) => {
            let (standing, excess) = (proof.standing(), proof.excess());
            tracing::info!(account.id = %account, ?standing, ?excess, "tried a destination");
            let decide = |state: &State| account::prove_destination(state, id, proof);
            desk.log.transact::<Accounts, _>(&account, now, decide).await?;
            Ok(again(PROVEN_EVERY, now))
        }
        Outcome::Failure { code, detail } => {
            tracing::warn!(account.id = %account, %code, detail, "could not try a destination");
            let short: String = detail.chars().take(DETAIL_CHARS).collect();
            let detail = desk.custody.seal_for_account(account, field::DETAIL, &short).await?;
            let decide = |state: &State| match state.knowledge.failure_is_news(now) {
                true => account::fail_proof(state, id, code, Some(detail.clone())),
                false => Ok(vec![]),
            };
            desk.log.transact::<Accounts, _>(&account, now, decide).await?;
            let lasting = code.persistence() == Persistence::Lasting;
            Ok(again(if lasting { PROVEN_EVERY } else { TRIED_AGAIN_EVERY }, now))
        }
    }
}

fn again(after: SignedDuration, now: Timestamp) -> Verdict {
    Verdict::Again(wait(now.saturating_add(after).unwrap_or(Timestamp::MAX), now))
}

#[cfg(test)]
mod tests {
    use domain::{
        Sealed,
        account::{Encryption, Place},
        id::DestinationId,
        proof::Access,
    };
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn account() -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(1))
    }

    fn destination(number: u128) -> Destination {
        Destination {
            destination: DestinationId::from_uuid(Uuid::from_u128(number)),
            place: Place {
                endpoint: None,
                region: "eu-west-1".to_owned(),
                bucket: "results".to_owned(),
                prefix: String::new(),
                path_style: false,
                bucket_owner: None,
                access_key_hint: String::new(),
            },
            credentials: Sealed::from_envelope(String::new()),
            role: None,
            encryption: Encryption::None,
            headers: None,
            fingerprint: String::new(),
        }
    }

    /// Records what this verb decides, and gives the account and where its history ends.
    async fn act(
        log: &Log,
        decide: impl Fn(&State) -> Result<Vec<account::Event>, Refusal> + Send,
    ) -> (State, u64) {
        let done = log.transact::<Accounts, _>(&account(), NOW, decide).await.unwrap().loaded;
        (done.state, done.last.unwrap().seq)
    }

    fn after(by: SignedDuration) -> Timestamp {
        NOW + by
    }

    #[tokio::test]
    async fn the_newest_message_keeps_watch_until_there_is_no_destination() {
        let (log, denied) = (Log::memory(), Access::Denied);
        let (state, _) = act(&log, |state| account::open(state, None)).await;
        assert_eq!(step(&state, NOW), Step::Done);
        assert_eq!(newest(&log, account()).await.unwrap(), 0);

        let own = destination(7);
        let (state, set) = act(&log, |state| account::set_destination(state, own.clone())).await;
        assert_eq!(newest(&log, account()).await.unwrap(), set);
        assert_eq!(step(&state, NOW), Step::Try(&own));

        let proof =
            Proof { put: Access::Allowed, get: denied, head: denied, list: denied, delete: denied };
        let id = own.destination;
        let (state, _) = act(&log, |state| account::prove_destination(state, id, proof)).await;
        assert_eq!(newest(&log, account()).await.unwrap(), set, "an outcome keeps no watch");
        assert_eq!(step(&state, NOW), Step::Wait(after(PROVEN_EVERY)));
        assert_eq!(step(&state, after(PROVEN_EVERY)), Step::Try(&own));

        let (state, asked) = act(&log, |state| account::request_proof(state, NOW)).await;
        assert!(asked > set);
        assert_eq!(newest(&log, account()).await.unwrap(), asked);
        assert_eq!(step(&state, NOW), Step::Try(&own));

        let trouble = FailureCode::DestinationUnavailable;
        let (state, _) = act(&log, |state| account::fail_proof(state, id, trouble, None)).await;
        assert_eq!(step(&state, NOW), Step::Wait(after(TRIED_AGAIN_EVERY)));

        let other = destination(8);
        let (state, again) =
            act(&log, |state| account::set_destination(state, other.clone())).await;
        assert_eq!(newest(&log, account()).await.unwrap(), again);
        assert_eq!(step(&state, NOW), Step::Try(&other));
        let late = |state: &State| account::prove_destination(state, id, proof);
        let refused = log.transact::<Accounts, _>(&account(), NOW, late).await;
        assert!(matches!(refused, Err(TransactError::Refused(Refusal::UnknownDestination))));

        let (state, _) = act(&log, account::clear_destination).await;
        assert_eq!(step(&state, NOW), Step::Done);
    }
}
