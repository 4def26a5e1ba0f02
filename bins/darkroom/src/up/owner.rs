//! The first person of the first account: let in by a link that is shown once, on the terminal.

use std::pin::pin;

use custody::{Custody, member::offer_token};
use domain::{
    Aggregate as _, Timestamp,
    id::AccountId,
    member::{self, Invitation, Members, Offer, Refusal},
    scope::Role,
};
use eventlog::{Log, Span};
use futures::StreamExt as _;
use service::Failure;
use zeroize::Zeroizing;

/// How they log in. Nobody writes to it: the name leads to this machine (RFC 6761).
pub(crate) const EMAIL: &str = "owner@darkroom.localhost";

/// The token that lets somebody join as owner, for as long as nobody has joined. It takes the place
/// of the one before.
pub(crate) async fn invite(
    operator: &Log,
    custody: &Custody,
    account: AccountId,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<Option<Zeroizing<String>>, Failure> {
    if somebody_joined(operator, account).await? {
        return Ok(None);
    }
    let email_digest = custody.address_digest(EMAIL);
    let id = member::Id::of_address(account, &email_digest);
    let token = offer_token(&id)?;
    let invitation = Invitation {
        email: custody.seal_email(&id, EMAIL).await?,
        email_digest,
        role: Role::Owner,
        offer: Offer { token_digest: custody.token_digest(&token), expires_at },
        by: None,
    };
    let invited = |state: &member::State| member::invite(state, &invitation);
    operator.transact::<Members, Refusal>(&id, now, invited).await?;
    Ok(Some(token))
}

async fn somebody_joined(operator: &Log, account: AccountId) -> Result<bool, Failure> {
    let filter = Some(format!("darkroom.member.{account}.*.joined"));
    let mut joined = pin!(operator.replay(Members::STREAM, Span { filter, ..Span::default() }));
    Ok(joined.next().await.transpose()?.is_some())
}
