//! What has been used and what is in use follow from the rows.

use domain::{
    job::{Durations, Status},
    upload::Phase,
};

use super::*;

/// Everything that an account used, on whichever day.
fn total(store: &Store, account: AccountId) -> readmodel::Usage {
    let days = store.usage(account, "1970-01-01".parse().unwrap(), "2999-01-01".parse().unwrap());
    days.unwrap().iter().fold(readmodel::Usage::default(), |sum, (_, day)| sum.and(day))
}

/// Days and numbers tell the same story as the rows.
pub(crate) fn adds_up(store: &Store, account: AccountId, entries: &[Entry]) {
    let used = total(store, account);
    let jobs = store.jobs(account, None, None, 200).unwrap().rows;
    let ended = |status| jobs.iter().filter(|row| row.job.status() == status).count() as u64;
    // A job that was erased is no row any more.
    assert!(used.jobs_accepted >= jobs.len() as u64);
    assert_eq!(store.jobs_in_flight(account).unwrap().0, {
        jobs.iter().filter(|row| !row.job.status().is_final()).count() as u64
    });
    // A history of ours ends once; one made at random may end again in another way.
    let over = Status::ALL.into_iter().filter(|status| status.is_final()).map(ended).sum::<u64>();
    assert!(used.jobs_completed + used.jobs_failed + used.jobs_cancelled >= over);
    let uploads = store.uploads(account).unwrap();
    let open = uploads.iter().filter(|row| row.upload.phase == Phase::Open).count() as u64;
    let in_use = store.in_use(account).unwrap();
    assert_eq!((in_use.uploads, in_use.upload_bytes), (open, open * 100));
    let announced = entries.iter().filter(|entry| match &entry.change {
        Change::Upload(id, upload::Event::SourceUploaded { .. }) => id.account == account,
        _ => false,
    });
    assert!(used.upload_bytes <= announced.count() as u64 * 100);
    assert_eq!(used.upload_bytes, used.uploads * 100);
}

fn lives(id: job::Id, events: Vec<Event>) -> Vec<Entry> {
    let numbered = events.into_iter().zip(1..);
    numbered.map(|(event, seq)| one(Stream::Jobs, seq, Change::Job(id, event))).collect()
}

fn fetched(size_bytes: u64) -> Event {
    let Event::Fetched(fetched) = job_event(7) else { unreachable!() };
    Event::Fetched(Fetched { size_bytes, ..fetched })
}

fn done(render_ms: u64) -> Event {
    let Event::Completed(completed) = completed() else { unreachable!() };
    let durations = Durations { render_ms, ..completed.durations };
    Event::Completed(Completed { durations, ..completed })
}

#[test]
fn a_job_is_counted_once_however_often_it_was_tried() {
    let (_folder, store) = fresh();
    let id = job_id(2);
    let again = job_event(12);
    let first = [requested(), started(1), fetched(1_000), artifact(0), again];
    let second =
        [started(2), fetched(1_000), artifact(0), artifact(1), Event::Wiped { bytes: 0 }, done(70)];
    store.apply(&lives(id, [first.to_vec(), second.to_vec()].concat())).unwrap();
    let expected = readmodel::Usage {
        jobs_accepted: 1,
        jobs_completed: 1,
        source_bytes: 1_000,
        artifacts: 2,
        artifact_bytes: 10,
        pages: 1,
        engine_ms: 70,
        ..readmodel::Usage::default()
    };
    assert_eq!(total(&store, id.account), expected);
    assert_eq!(total(&store, account_id(1)), readmodel::Usage::default());
    assert_eq!(readmodel::Usage::NAMES.len(), expected.values().len());
}

#[test]
fn a_tally_of_events_says_what_the_rows_say() {
    let (_folder, store) = fresh();
    let id = job_id(2);
    let events = [
        requested(),
        started(1),
        fetched(1_000),
        artifact(0),
        artifact(1),
        done(70),
        Event::Expired {},
    ];
    let entries = lives(id, events.to_vec());
    store.apply(&entries).unwrap();
    let mut tally = readmodel::Tally::default();
    entries.iter().for_each(|entry| tally.take(entry));
    let days: Vec<_> = tally.into_days().collect();
    assert!(days.iter().all(|(account, ..)| *account == id.account));
    let kept =
        store.usage(id.account, "1970-01-01".parse().unwrap(), "2999-01-01".parse().unwrap());
    let days: Vec<_> = days.into_iter().map(|(_, date, used)| (date, used)).collect();
    assert_eq!(days, kept.unwrap());
    assert_eq!(days.iter().map(|(_, used)| used.jobs_completed).sum::<u64>(), 1);
}

#[test]
fn what_lies_in_development_storage_counts_until_it_has_expired_or_is_erased() {
    for end in [Event::Expired {}, Event::Erased { objects: 2 }] {
        let (_folder, store) = fresh();
        let id = job_id(2);
        let life = vec![requested(), started(1), artifact(0), artifact(1), artifact(1), done(1)];
        store.apply(&lives(id, life.clone())).unwrap();
        assert_eq!(store.development_bytes(id.account).unwrap(), 10);
        store.apply(&lives(id, [life, vec![end]].concat())).unwrap();
        assert_eq!(store.development_bytes(id.account).unwrap(), 0);
    }
}

#[test]
fn days_are_those_between_the_dates_asked_for() {
    let (_folder, store) = fresh();
    let account = account_id(0);
    let day = |n: u64| {
        let at = at(n * 86_400);
        let change = Change::Job(job_id(u128::from(n) * 2), requested());
        Entry { stream: Stream::Jobs, seq: n + 1, at, change }
    };
    store.apply(&(0..5).map(day).collect::<Vec<_>>()).unwrap();
    let date = |n: u64| at(n * 86_400).to_string()[..10].parse().unwrap();
    let days = store.usage(account, date(1), date(3)).unwrap();
    let dates: Vec<_> = days.iter().map(|(date, _)| *date).collect();
    assert_eq!(dates, [date(1), date(2), date(3)]);
    assert!(store.usage(account, date(3), date(1)).unwrap().is_empty());
    assert_eq!(store.usage_today(account, at(2 * 86_400)).unwrap().jobs_accepted, 1);
}
