//! The personal fields and secrets of members, and the tokens that stand for them.
//!
//! Each field is bound to its member: what is sealed for one does not open as another's.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Sealed,
    id::{AccountId, MemberId},
    member::Id,
    sealed::field,
};
use rand::{TryRngCore as _, rand_core::OsError, rngs::OsRng};
use uuid::Uuid;
use vault::FieldKey;
use zeroize::Zeroizing;

use crate::{Custody, Error};

/// What an address's stored digest is a keyed digest for.
const ADDRESS: &str = "member-address";
/// What a token's stored digest is a keyed digest for.
const TOKEN: &str = "member-token";
/// What shows that a secret of one-time codes was made here is a keyed digest for.
const ENROLMENT: &str = "member-totp-enrolment";
/// What passwords are keyed with before they are hashed is derived for.
const PASSWORD: &str = "member-password";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

impl Custody {
    /// What is stored of an address to find it again: keyed, of its lower case without the space
    /// around it, in hex.
    #[must_use]
    pub fn address_digest(&self, email: &str) -> String {
        self.member_digest(ADDRESS, email.trim().to_lowercase().as_bytes())
    }

    /// What is stored of a session's, an invitation's or a reset's token: keyed, in hex.
    #[must_use]
    pub fn token_digest(&self, token: &str) -> String {
        self.member_digest(TOKEN, token.as_bytes())
    }

    /// What shows that a secret of one-time codes was made here, in hex.
    #[must_use]
    pub fn enrolment_digest(&self, text: &str) -> String {
        self.member_digest(ENROLMENT, text.as_bytes())
    }

    /// The key that passwords pass through before they are hashed. It lies with the master keys.
    #[must_use]
    pub fn password_key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.vault.master().digests(PASSWORD).of(b"key"))
    }

    fn member_digest(&self, purpose: &str, data: &[u8]) -> String {
        hex::encode(self.vault.master().digests(purpose).of(data))
    }

    /// Makes the account's key, if there is none, and seals a member's address.
    ///
    /// # Errors
    /// When the vault fails; so with every field.
    pub async fn seal_email(&self, id: &Id, email: &str) -> Result<Sealed, Error> {
        self.seal_of_member(id, field::EMAIL, email.as_bytes()).await
    }

    /// Opens a member's address.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses the ciphertext; so with every field.
    pub async fn open_email(&self, id: &Id, sealed: &Sealed) -> Result<String, Error> {
        let key = self.member_key(id).await?;
        Ok(key.open_text(field::EMAIL, sealed.envelope())?.to_string())
    }

    /// Seals the hash of a member's password.
    ///
    /// # Errors
    /// As [`Custody::seal_email`].
    pub async fn seal_password_hash(&self, id: &Id, hash: &str) -> Result<Sealed, Error> {
        self.seal_of_member(id, field::PASSWORD_HASH, hash.as_bytes()).await
    }

    /// Opens the hash of a member's password.
    ///
    /// # Errors
    /// As [`Custody::open_email`].
    pub async fn open_password_hash(
        &self,
        id: &Id,
        sealed: &Sealed,
    ) -> Result<Zeroizing<String>, Error> {
        let key = self.member_key(id).await?;
        Ok(key.open_text(field::PASSWORD_HASH, sealed.envelope())?)
    }

    /// Seals what a member's one-time codes are made of.
    ///
    /// # Errors
    /// As [`Custody::seal_email`].
    pub async fn seal_totp_secret(&self, id: &Id, secret: &[u8]) -> Result<Sealed, Error> {
        self.seal_of_member(id, field::TOTP_SECRET, secret).await
    }

    /// Opens what a member's one-time codes are made of.
    ///
    /// # Errors
    /// As [`Custody::open_email`].
    pub async fn open_totp_secret(
        &self,
        id: &Id,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let key = self.member_key(id).await?;
        Ok(key.open(field::TOTP_SECRET, sealed.envelope())?)
    }

    async fn seal_of_member(&self, id: &Id, field: &str, value: &[u8]) -> Result<Sealed, Error> {
        let key = self.vault.create_account_key(&id.account.to_string()).await?;
        Ok(Sealed::from_envelope(key.for_record(&record(id)).seal(field, value)))
    }

    async fn member_key(&self, id: &Id) -> Result<FieldKey, Error> {
        let key = self.vault.account_key(&id.account.to_string()).await?;
        Ok(key.for_record(&record(id)))
    }
}

fn record(id: &Id) -> String {
    format!("member/{}", id.member)
}

/// The system gives no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("draw random bytes")]
pub struct NoRandomness(#[from] OsError);

/// Random bytes of the system.
///
/// # Errors
/// [`NoRandomness`].
pub fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoRandomness> {
    let mut bytes = Zeroizing::new([0; N]);
    OsRng.try_fill_bytes(bytes.as_mut_slice())?;
    Ok(bytes)
}

/// A new token of a session: 256 random bits, in base64url.
///
/// # Errors
/// [`NoRandomness`].
pub fn session_token() -> Result<Zeroizing<String>, NoRandomness> {
    let bytes = random::<TOKEN_BYTES>()?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// A new token of an invitation or a reset: who it is for and 256 random bits, in base64url. Who it
/// is for is no secret; it is in there so that nobody has to be looked for.
///
/// # Errors
/// [`NoRandomness`].
pub fn offer_token(id: &Id) -> Result<Zeroizing<String>, NoRandomness> {
    let bytes = random::<TOKEN_BYTES>()?;
    let (account, member) = (id.account.as_uuid(), id.member.as_uuid());
    let whole = Zeroizing::new(
        [account.as_bytes().as_slice(), member.as_bytes(), bytes.as_slice()].concat(),
    );
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(whole.as_slice())))
}

/// Who a token of an invitation or a reset is for, if the text is one.
#[must_use]
pub fn offered_to(token: &str) -> Option<Id> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(token).ok()?);
    let (account, rest) = bytes.split_first_chunk::<16>()?;
    let (member, secret) = rest.split_first_chunk::<16>()?;
    (secret.len() == TOKEN_BYTES).then(|| Id {
        account: AccountId::from_uuid(Uuid::from_bytes(*account)),
        member: MemberId::from_uuid(Uuid::from_bytes(*member)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn someone(n: u128) -> Id {
        let (account, member) = (Uuid::from_u128(n), Uuid::from_u128(n + 1));
        Id { account: AccountId::from_uuid(account), member: MemberId::from_uuid(member) }
    }

    #[test]
    fn a_token_says_who_it_is_for_and_no_two_are_alike() {
        let (one, two) = (offer_token(&someone(7)).unwrap(), offer_token(&someone(7)).unwrap());
        assert_ne!(one, two);
        assert_eq!(offered_to(&one), Some(someone(7)));
        for odd in ["", "x", &one[1..], &one[..85], &format!("{}A", *one), "!!"] {
            assert_eq!(offered_to(odd), None, "{odd}");
        }
        assert_ne!(session_token().unwrap(), session_token().unwrap());
        assert_eq!(session_token().unwrap().len(), 43);
    }
}
