//! The NKey of a user: whoever holds its seed proves that by signature, and servers know its public half alone.

use nkeys::KeyPair;

use crate::settings::Secret;

/// What every public half of a user's key begins with.
const USER: char = 'U';

/// A user's key.
pub struct UserKey(KeyPair);

impl UserKey {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(KeyPair::new_user())
    }

    /// That of a seed (`SU...`); nothing if the text is none.
    #[must_use]
    pub fn of(seed: &Secret) -> Option<Self> {
        let pair = KeyPair::from_seed(seed.expose()).ok()?;
        pair.public_key().starts_with(USER).then_some(Self(pair))
    }

    /// What its user keeps.
    #[must_use]
    pub fn seed(&self) -> Secret {
        // It was made, or read, with its seed.
        Secret::new(self.0.seed().unwrap_or_default())
    }

    /// What servers are told (`U...`).
    #[must_use]
    pub fn public(&self) -> String {
        self.0.public_key()
    }
}
