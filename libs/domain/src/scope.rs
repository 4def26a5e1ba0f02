//! What a key or a member may do.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! scopes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// One kind of thing that may be done in an account. Append only.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Scope {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl Scope {
            /// Every scope.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

scopes! {
    /// See jobs, their results and their history.
    JobsRead = "jobs:read",
    /// Ask for jobs, and end them.
    JobsWrite = "jobs:write",
    /// Hand in files.
    UploadsWrite = "uploads:write",
    /// See the account: key pairs, destination, inputs, quotas, usage.
    AccountRead = "account:read",
    /// Change the account.
    AccountWrite = "account:write",
    /// Invite, change and remove members.
    MembersWrite = "members:write",
    /// Read the account's whole history, and export everything held about it.
    Audit = "audit",
    /// Erase jobs, or the account.
    Erase = "erase",
}

impl Scope {
    /// The scope with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.name() == name)
    }
}

/// What a member is to an account.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do everything. An account keeps at least one.
    Owner,
    /// May do everything but erase the account and change owners.
    Admin,
    /// Works with jobs.
    Member,
    /// Sees everything and changes nothing.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Member, Self::Auditor];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Auditor => "auditor",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether a member of this role may do it.
    #[must_use]
    pub fn may(self, scope: Scope) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => scope != Scope::Erase,
            Self::Member => matches!(
                scope,
                Scope::JobsRead | Scope::JobsWrite | Scope::UploadsWrite | Scope::AccountRead
            ),
            Self::Auditor => {
                matches!(scope, Scope::JobsRead | Scope::AccountRead | Scope::Audit)
            }
        }
    }
}

/// The scopes that a list of names means; names that mean none are given back.
///
/// # Errors
/// The names that mean no scope.
pub fn parse_all<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeSet<Scope>, Vec<String>> {
    let (mut scopes, mut odd) = (BTreeSet::new(), Vec::new());
    for name in names {
        match Scope::parse(name) {
            Some(scope) => drop(scopes.insert(scope)),
            None => odd.push(name.chars().take(40).collect()),
        }
    }
    if odd.is_empty() { Ok(scopes) } else { Err(odd) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_is_stored() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_string(scope).unwrap(), format!("\"{}\"", scope.name()));
            assert_eq!(Scope::parse(scope.name()), Some(*scope));
        }
        assert_eq!(parse_all(["audit", "jobs"]), Err(vec!["jobs".to_owned()]));
    }

    #[test]
    fn a_member_can_do_less_than_an_admin_and_an_auditor_changes_nothing() {
        for scope in Scope::ALL {
            assert!(Role::Owner.may(*scope));
            assert!(!Role::Member.may(*scope) || Role::Admin.may(*scope));
        }
        let writes = Scope::ALL.iter().filter(|scope| scope.name().ends_with(":write"));
        assert!(writes.into_iter().all(|scope| !Role::Auditor.may(*scope)));
    }
}
