//! What may happen to an account: one function a verb, each pure. Saying again what holds yields
//! no event.

use jiff::{Timestamp, ToSpan as _, civil::Date};

use super::{
    event::{Application, Destination, Event, Input, Terms},
    state::{KeyPair, State},
};
use crate::{
    FailureCode, Sealed,
    id::{ApplicationId, DestinationId, InputId},
    limits::{Overrides, QuotaOverrides},
    proof::Proof,
};

/// The most key pairs of an account.
pub const MAX_APPLICATIONS: usize = 100;
/// The most inputs of an account.
pub const MAX_INPUTS: usize = 100;

/// Why a verb does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such account.
    #[error("there is no such account")]
    Unknown,
    /// Everything held about it is going, or gone.
    #[error("the account is being erased")]
    Erased,
    /// There is no such application.
    #[error("there is no such application")]
    UnknownApplication,
    /// There are enough.
    #[error("an account has at most {MAX_APPLICATIONS} applications")]
    TooManyApplications,
    /// It was found out a short while ago, and has been asked very often.
    #[error("this can be asked again at {at}")]
    AskedOften {
        /// When.
        at: Timestamp,
    },
    /// It has no such destination, or none at all.
    #[error("the account has no such destination")]
    UnknownDestination,
    /// There is no such input.
    #[error("there is no such input")]
    UnknownInput,
    /// There are enough.
    #[error("an account has at most {MAX_INPUTS} inputs")]
    TooManyInputs,
    /// It has not been asked for.
    #[error("nobody asked for the account to be erased")]
    NotRequested,
}

type Decision = Result<Vec<Event>, Refusal>;

/// Opens an account; nothing to do when it is open.
///
/// # Errors
/// [`Refusal::Erased`].
pub fn open(state: &State, label: Option<Sealed>) -> Decision {
    match state.opened_at {
        None => Ok(vec![Event::Opened { label }]),
        Some(_) if state.is_open() => Ok(vec![]),
        Some(_) => Err(Refusal::Erased),
    }
}

/// Calls it something else, or nothing.
///
/// # Errors
/// As every verb.
pub fn label(state: &State, label: Option<Sealed>) -> Decision {
    exists(state)?;
    Ok(if state.label == label { vec![] } else { vec![Event::Labelled { label }] })
}

/// Adds a key pair.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::Erased`], as for every verb; [`Refusal::TooManyApplications`].
pub fn add_application(state: &State, application: Application) -> Decision {
    exists(state)?;
    match state.applications.get(&application.application) {
        Some(known) if known.application == application => Ok(vec![]),
        None if state.applications.len() >= MAX_APPLICATIONS => Err(Refusal::TooManyApplications),
        _ => Ok(vec![Event::ApplicationAdded(application)]),
    }
}

/// Uses a key pair for something else.
///
/// # Errors
/// [`Refusal::UnknownApplication`], or as every verb.
pub fn change_application(state: &State, application: ApplicationId, terms: Terms) -> Decision {
    let known = pair(state, application)?;
    let same = known.application.terms == terms;
    Ok(if same { vec![] } else { vec![Event::ApplicationChanged { application, terms }] })
}

/// Gives a key pair a new secret; the one before goes on until `previous_until`.
///
/// # Errors
/// [`Refusal::UnknownApplication`], or as every verb.
pub fn rotate_application(
    state: &State,
    application: ApplicationId,
    secret_digest: String,
    previous_until: Timestamp,
) -> Decision {
    pair(state, application)?;
    Ok(vec![Event::ApplicationRotated { application, secret_digest, previous_until }])
}

/// Revokes a key pair.
///
/// # Errors
/// [`Refusal::UnknownApplication`], or as every verb.
pub fn revoke_application(state: &State, application: ApplicationId) -> Decision {
    pair(state, application)?;
    Ok(vec![Event::ApplicationRevoked { application }])
}

/// Notes on which day a key pair was used: every day at first, and the more has been noted in the
/// account, the more rarely, because whoever reads a history reads all of it.
///
/// # Errors
/// [`Refusal::UnknownApplication`], or as every verb.
pub fn use_application(state: &State, application: ApplicationId, on: Date) -> Decision {
    let known = pair(state, application)?;
    let step = days_between_uses(state.uses_noted).days();
    let due = |before: Date| before.checked_add(step).is_ok_and(|next| next <= on);
    let news = known.used_on.is_none_or(due);
    Ok(if news { vec![Event::ApplicationUsed { application, on }] } else { vec![] })
}

/// How many days lie between two notes of a key pair's use, once so many have been made.
#[must_use]
pub const fn days_between_uses(noted: u32) -> i32 {
    match noted {
        0..400 => 1,
        400..800 => 7,
        800..1_200 => 30,
        1_200.. => 365,
    }
}

/// Sends results to a bucket from now on; nothing to do when all of it is the same.
///
/// # Errors
/// As every verb.
pub fn set_destination(state: &State, destination: Destination) -> Decision {
    exists(state)?;
    let fingerprint = state.destination.as_ref().map(|own| own.fingerprint.as_str());
    let same = !destination.fingerprint.is_empty() && fingerprint == Some(&destination.fingerprint);
    Ok(if same { vec![] } else { vec![Event::DestinationSet(destination)] })
}

/// Sends results to development storage from now on.
///
/// # Errors
/// As every verb.
pub fn clear_destination(state: &State) -> Decision {
    exists(state)?;
    Ok(if state.destination.is_some() { vec![Event::DestinationCleared {}] } else { vec![] })
}

/// Asks what the destination's credentials may do; nothing to do while the answer is awaited.
/// The more often it was asked, the more rarely it can be: whoever reads a history reads all of it.
///
/// # Errors
/// [`Refusal::UnknownDestination`], [`Refusal::AskedOften`], or as every verb.
pub fn request_proof(state: &State, now: Timestamp) -> Decision {
    exists(state)?;
    let destination = state.destination.as_ref().ok_or(Refusal::UnknownDestination)?.destination;
    if state.knowledge.requested_at.is_some() {
        return Ok(vec![]);
    }
    match state.next_question() {
        Some(at) if at > now => Err(Refusal::AskedOften { at }),
        Some(_) | None => Ok(vec![Event::ProofRequested { destination }]),
    }
}

/// Records what a destination's credentials may do.
///
/// # Errors
/// [`Refusal::UnknownDestination`] when results go elsewhere by now, or as every verb.
pub fn prove_destination(state: &State, destination: DestinationId, proof: Proof) -> Decision {
    is_current(state, destination)?;
    Ok(vec![Event::DestinationProven { destination, proof }])
}

/// Records that it could not be found out what a destination's credentials may do.
///
/// # Errors
/// As [`prove_destination`].
pub fn fail_proof(
    state: &State,
    destination: DestinationId,
    code: FailureCode,
    detail: Option<Sealed>,
) -> Decision {
    is_current(state, destination)?;
    Ok(vec![Event::DestinationProofFailed { destination, code, detail }])
}

/// Refuses jobs unless the destination is proven write-only, or does not.
///
/// # Errors
/// As every verb.
pub fn demand_write_only(state: &State, demanded: bool) -> Decision {
    exists(state)?;
    let same = state.write_only_demanded == demanded;
    Ok(if same { vec![] } else { vec![Event::WriteOnlyDemanded { demanded }] })
}

/// Lets sources be read from a bucket.
///
/// # Errors
/// [`Refusal::TooManyInputs`], or as every verb.
pub fn set_input(state: &State, input: Input) -> Decision {
    exists(state)?;
    if state.inputs.len() >= MAX_INPUTS && !state.inputs.contains_key(&input.input) {
        return Err(Refusal::TooManyInputs);
    }
    Ok(vec![Event::InputSet(input)])
}

/// Lets sources be read from a bucket no more.
///
/// # Errors
/// [`Refusal::UnknownInput`], or as every verb.
pub fn remove_input(state: &State, input: InputId) -> Decision {
    exists(state)?;
    state.inputs.get(&input).ok_or(Refusal::UnknownInput)?;
    Ok(vec![Event::InputRemoved { input }])
}

/// Tells on NATS what happens with its personal fields opened, or does not.
///
/// # Errors
/// As every verb.
pub fn set_feed(state: &State, on: bool) -> Decision {
    exists(state)?;
    Ok(if state.feed == on { vec![] } else { vec![Event::FeedSet { on }] })
}

/// Lets uploads stay after the jobs that read them, or does not.
///
/// # Errors
/// As every verb.
pub fn keep_media(state: &State, kept: bool) -> Decision {
    exists(state)?;
    Ok(if state.keeps_media == kept { vec![] } else { vec![Event::MediaKept { kept }] })
}

/// Signs webhooks with a secret from now on.
///
/// # Errors
/// As every verb.
pub fn set_webhook_secret(state: &State, secret: Sealed) -> Decision {
    exists(state)?;
    Ok(vec![Event::WebhookSecretSet { secret }])
}

/// Gives its jobs limits of its own.
///
/// # Errors
/// As every verb.
pub fn set_limits(state: &State, limits: Overrides) -> Decision {
    exists(state)?;
    Ok(if state.limits == limits { vec![] } else { vec![Event::LimitsSet { limits }] })
}

/// Gives it quotas of its own.
///
/// # Errors
/// As every verb.
pub fn set_quotas(state: &State, quotas: QuotaOverrides) -> Decision {
    exists(state)?;
    Ok(if state.quotas == quotas { vec![] } else { vec![Event::QuotasSet { quotas }] })
}

/// Asks that everything held about it go.
///
/// # Errors
/// [`Refusal::Unknown`].
pub fn request_erasure(state: &State) -> Decision {
    state.opened_at.ok_or(Refusal::Unknown)?;
    Ok(if state.is_open() { vec![Event::ErasureRequested {}] } else { vec![] })
}

/// Records that everything held about it is gone.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::NotRequested`].
pub fn erase(state: &State, jobs: u64, objects: u64) -> Decision {
    state.opened_at.ok_or(Refusal::Unknown)?;
    state.erasure_requested_at.ok_or(Refusal::NotRequested)?;
    let done = state.erased_at.is_some();
    Ok(if done { vec![] } else { vec![Event::Erased { jobs, objects }] })
}

const fn exists(state: &State) -> Result<(), Refusal> {
    match state.opened_at {
        None => Err(Refusal::Unknown),
        Some(_) if state.is_open() => Ok(()),
        Some(_) => Err(Refusal::Erased),
    }
}

fn pair(state: &State, application: ApplicationId) -> Result<&KeyPair, Refusal> {
    exists(state)?;
    state.applications.get(&application).ok_or(Refusal::UnknownApplication)
}

fn is_current(state: &State, destination: DestinationId) -> Result<(), Refusal> {
    exists(state)?;
    let current = state.destination.as_ref().filter(|own| own.destination == destination);
    current.map(|_| ()).ok_or(Refusal::UnknownDestination)
}
