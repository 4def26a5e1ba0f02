//! What the credentials of a destination may do, found by trying.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether something was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// It was done.
    Allowed,
    /// The server refused.
    Denied,
    /// The server failed, or answered what neither allows nor refuses.
    Unclear,
}

/// What was tried, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// Storing the probe.
    pub put: Access,
    /// Reading it.
    pub get: Access,
    /// Asking whether it is there.
    pub head: Access,
    /// Listing what lies under the prefix.
    pub list: Access,
    /// Deleting it.
    pub delete: Access,
}

/// What a proof comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Only storing is allowed.
    WriteOnly,
    /// Something else is allowed as well.
    Readable,
    /// Storing is not allowed.
    Closed,
    /// Something could not be tried.
    Unclear,
}

impl Proof {
    /// What it comes down to.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let others = [self.get, self.head, self.list, self.delete];
        if self.put == Access::Denied {
            Standing::Closed
        } else if others.contains(&Access::Allowed) {
            Standing::Readable
        } else if self.put == Access::Allowed && others.iter().all(|it| *it == Access::Denied) {
            Standing::WriteOnly
        } else {
            Standing::Unclear
        }
    }

    /// What is allowed and should not be, in S3's verbs.
    #[must_use]
    pub fn excess(&self) -> Vec<&'static str> {
        [("GET", self.get), ("HEAD", self.head), ("LIST", self.list), ("DELETE", self.delete)]
            .into_iter()
            .filter(|(_, access)| *access == Access::Allowed)
            .map(|(verb, _)| verb)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_too_many_makes_a_bucket_readable_and_one_doubt_leaves_it_unclear() {
        let fine = Proof {
            put: Access::Allowed,
            get: Access::Denied,
            head: Access::Denied,
            list: Access::Denied,
            delete: Access::Denied,
        };
        assert_eq!((fine.standing(), fine.excess()), (Standing::WriteOnly, vec![]));
        let listable = Proof { list: Access::Allowed, ..fine };
        assert_eq!((listable.standing(), listable.excess()), (Standing::Readable, vec!["LIST"]));
        assert_eq!(Proof { get: Access::Unclear, ..fine }.standing(), Standing::Unclear);
        assert_eq!(Proof { get: Access::Unclear, ..listable }.standing(), Standing::Readable);
        assert_eq!(Proof { put: Access::Denied, ..fine }.standing(), Standing::Closed);
    }
}
