//! What can be asked of a store about endpoints and deliveries.

use domain::{
    endpoint,
    id::{AccountId, DeliveryId, EndpointId},
};

use super::MAX_PAGE_ROWS;
use crate::{
    Error, Store,
    cursor::Cursor,
    key,
    projection::{DeliveryRow, EndpointRow, Standing, read},
};

/// The most endpoints of an account that are listed.
pub const MAX_ENDPOINTS: usize = 100;
/// The most deliveries that are looked at for one page.
const MAX_SCANNED: usize = 10_000;

/// Which deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DeliveryFilter {
    /// To this endpoint alone.
    pub endpoint: Option<EndpointId>,
    /// Those that stand like this alone.
    pub standing: Option<Standing>,
    /// After this place; from the newest where absent.
    pub cursor: Option<Cursor>,
}

/// A part of a list of deliveries.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryPage {
    /// Newest first.
    pub rows: Vec<DeliveryRow>,
    /// Where the next page starts, if there may be one.
    pub next: Option<Cursor>,
}

impl Store {
    /// The endpoint with this id.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn endpoint(&self, id: endpoint::Id) -> Result<Option<EndpointRow>, Error> {
        read(self.tree(), &key::endpoint(id))
    }

    /// An account's endpoints, at most [`MAX_ENDPOINTS`].
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn endpoints(&self, account: AccountId) -> Result<Vec<EndpointRow>, Error> {
        self.rows(&key::endpoints(account), MAX_ENDPOINTS)
    }

    /// The delivery with this id.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn delivery(
        &self,
        account: AccountId,
        id: DeliveryId,
    ) -> Result<Option<DeliveryRow>, Error> {
        read(self.tree(), &key::delivery(account, id))
    }

    /// At most `limit` of an account's deliveries, newest first. At most [`MAX_PAGE_ROWS`],
    /// whatever the limit.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn deliveries(
        &self,
        account: AccountId,
        filter: DeliveryFilter,
        limit: usize,
    ) -> Result<DeliveryPage, Error> {
        let limit = limit.clamp(1, MAX_PAGE_ROWS);
        let lists = match (filter.endpoint, filter.standing) {
            (Some(endpoint), _) => vec![key::deliveries_to(endpoint::Id { account, endpoint })],
            (None, Some(standing)) => vec![key::deliveries_in(account, standing.name())],
            (None, None) => {
                Standing::ALL.map(|standing| key::deliveries_in(account, standing.name())).into()
            }
        };
        let mut rows: Vec<DeliveryRow> = Vec::new();
        let (mut last, mut scanned) = (filter.cursor, 0);
        loop {
            let wanted = limit + 1;
            let places = self.newest(&lists, last, wanted)?;
            let over = places.len() < wanted;
            for place in places {
                if rows.len() == limit || scanned == MAX_SCANNED {
                    return Ok(DeliveryPage { rows, next: last });
                }
                (last, scanned) = (Some(Cursor(place)), scanned + 1);
                let id = DeliveryId::from_uuid(place.id());
                // The list and the row are read one after the other: the row may have moved on.
                if let Some(row) = self.delivery(account, id)?
                    && filter.standing.is_none_or(|standing| row.standing() == standing)
                {
                    rows.push(row);
                }
            }
            if over {
                return Ok(DeliveryPage { rows, next: None });
            }
        }
    }
}
