//! What can be asked of a store about endpoints and deliveries.

use domain::{
    Timestamp,
    endpoint::{self, Topic, TopicFilter},
    id::{AccountId, DeliveryId, EndpointId, JobId},
    job,
};
use uuid::Uuid;

use super::MAX_PAGE_ROWS;
use crate::{
    Error, Store,
    cursor::Cursor,
    key::{self, Key, Place},
    projection::{DeliveryRow, EndpointRow, Standing, read},
};

/// The most endpoints of an account that are listed.
pub const MAX_ENDPOINTS: usize = 100;
/// The most deliveries that are looked at for one page.
const MAX_SCANNED: usize = 10_000;

/// Which deliveries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeliveryFilter {
    /// To this endpoint alone.
    pub endpoint: Option<EndpointId>,
    /// Those that stand like this alone.
    pub standing: Option<Standing>,
    /// Those that tell of these events alone.
    pub topic: Option<TopicFilter>,
    /// Those that tell of this job alone.
    pub job: Option<JobId>,
    /// Those that became due then or later.
    pub since: Option<Timestamp>,
    /// Those that became due before.
    pub until: Option<Timestamp>,
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

impl DeliveryFilter {
    /// The lists that hold everything that is wanted, the shortest there are.
    fn lists(&self, account: AccountId) -> Vec<Key> {
        match (self.job, self.endpoint, self.standing) {
            (Some(job), _, _) => vec![key::deliveries_of(job::Id { account, job })],
            (None, Some(endpoint), _) => {
                vec![key::deliveries_to(endpoint::Id { account, endpoint })]
            }
            (None, None, Some(standing)) => vec![key::deliveries_in(account, standing.name())],
            (None, None, None) => {
                Standing::ALL.map(|standing| key::deliveries_in(account, standing.name())).into()
            }
        }
    }

    /// After which place to look.
    fn start(&self) -> Option<Cursor> {
        // Places know milliseconds: what became due within the same one is looked at.
        let until = self.until.map(|until| Place::of(until, Uuid::nil()));
        self.cursor.map(|Cursor(place)| place).max(until).map(Cursor)
    }

    /// Whether whatever lies here or further on became due too early.
    fn is_past(&self, place: Place) -> bool {
        self.since.is_some_and(|since| place > Place::of(since, Uuid::max()))
    }

    fn wants(&self, row: &DeliveryRow) -> bool {
        let (due_at, told) = (row.delivery.due_at, &row.delivery.told);
        self.endpoint.is_none_or(|endpoint| row.endpoint == endpoint)
            && self.standing.is_none_or(|standing| row.standing() == standing)
            && self.job.is_none_or(|job| told.job == Some(job))
            && self.since.is_none_or(|since| since <= due_at)
            && self.until.is_none_or(|until| due_at < until)
            && self
                .topic
                .as_ref()
                .is_none_or(|topic| topic.wants(&Topic::from(told.event_type.as_str())))
    }
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
    /// whatever the limit; fewer, or none, where few of those that were looked at are wanted: what
    /// is left then comes after [`DeliveryPage::next`].
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn deliveries(
        &self,
        account: AccountId,
        filter: &DeliveryFilter,
        limit: usize,
    ) -> Result<DeliveryPage, Error> {
        let limit = limit.clamp(1, MAX_PAGE_ROWS);
        let lists = filter.lists(account);
        let mut rows: Vec<DeliveryRow> = Vec::new();
        let (mut last, mut scanned) = (filter.start(), 0);
        loop {
            let wanted = limit + 1;
            let places = self.newest(&lists, last, wanted)?;
            let over = places.len() < wanted;
            for place in places {
                if filter.is_past(place) {
                    return Ok(DeliveryPage { rows, next: None });
                }
                if rows.len() == limit || scanned == MAX_SCANNED {
                    return Ok(DeliveryPage { rows, next: last });
                }
                (last, scanned) = (Some(Cursor(place)), scanned + 1);
                let id = DeliveryId::from_uuid(place.id());
                // The list and the row are read one after the other: the row may have moved on.
                rows.extend(self.delivery(account, id)?.filter(|row| filter.wants(row)));
            }
            if over {
                return Ok(DeliveryPage { rows, next: None });
            }
        }
    }
}
