//! What is read of customers' requests on NATS, for those who fuzz it.

use domain::id::AccountId;

use super::{desk, wish};

/// What a consumer would give out that an account asks for, if it may.
#[must_use]
pub fn consumer(account: AccountId, stream: &str, body: &[u8]) -> Option<String> {
    wish::read(account, stream, 1, body).ok().map(|wish| wish.filter)
}

/// Whether what is asked for, behind the account's own prefix, is answered.
#[must_use]
pub fn is_answered(subject: &str) -> bool {
    desk::is_answered(&subject.split('.').collect::<Vec<_>>())
}

/// Whose consumer a name stands for.
#[must_use]
pub fn owner(name: &str) -> Option<AccountId> {
    desk::owner(name).map(|(account, _)| account)
}

/// Whether an answer may be sent there.
#[must_use]
pub fn is_own(account: AccountId, reply: &str) -> bool {
    desk::is_own(account, reply)
}
