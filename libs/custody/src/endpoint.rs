//! The names under which an endpoint's fields are sealed: each opens for that endpoint alone.

use domain::id::EndpointId;

/// The sealed field called `field` of an endpoint.
#[must_use]
pub fn endpoint_field(field: &str, endpoint: EndpointId) -> String {
    format!("{field}/{endpoint}")
}
