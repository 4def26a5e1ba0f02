//! A store is what its events make of it, however they arrive.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should fail where it stands"
)]

mod usage;

use domain::{
    FailureCode, Sealed, Timestamp,
    account::{self, Application},
    id::{AccountId, ApplicationId, JobId, UploadId, WorkerId},
    job::{self, Artifact, Completed, Event, Fetched, Kind, Requested, Status, StoredIn},
    upload,
    wish::PreviewWish,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use readmodel::{Change, Entry, Error, Found, Positions, Store, Stream, WhyAnew};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + i64::try_from(seconds).unwrap()).unwrap()
}

fn account_id(n: u128) -> AccountId {
    AccountId::from_uuid(Uuid::from_u128(0xacc0 + n))
}

fn job_id(n: u128) -> job::Id {
    job::Id { account: account_id(n % 2), job: JobId::from_uuid(Uuid::from_u128(n)) }
}

fn sealed(text: &str) -> Sealed {
    Sealed::from_envelope(text.to_owned())
}

fn requested() -> Event {
    Event::Requested(Requested {
        application: ApplicationId::from_uuid(Uuid::from_u128(1)),
        kind: Kind::Preview { wish: PreviewWish::default() },
        source_url: sealed("url"),
        upload: None,
        callback_url: None,
        user_data: None,
        uploader: None,
        rerun_of: None,
        fingerprint: "f".into(),
    })
}

fn started(attempt: u32) -> Event {
    Event::Started { attempt, worker: WorkerId::from_uuid(Uuid::from_u128(9)) }
}

fn completed() -> Event {
    Event::Completed(Completed {
        total_pages: 1,
        metadata: None,
        engines: std::collections::BTreeMap::new(),
        durations: job::Durations::default(),
        receipt: None,
    })
}

fn artifact(n: u32) -> Event {
    Event::Stored {
        artifact: Box::new(Artifact {
            role: job::Role::Rendition,
            name: format!("p1-{n}.jpg"),
            location: sealed("location"),
            stored_in: StoredIn::Development,
            page: 1,
            size_index: n,
            requested_size: json!("original"),
            width: 1,
            height: 2,
            original_width: 3,
            original_height: 4,
            resized: true,
            media_type: "image/jpeg".into(),
            size_bytes: 5,
            sha256: "aa".into(),
        }),
    }
}

fn job_event(choice: u8) -> Event {
    match choice {
        0..=3 => requested(),
        4 | 5 => started(1),
        6 => started(2),
        7 => Event::Fetched(Fetched {
            file_name: None,
            size_bytes: 1,
            media_type: "image/png".into(),
            encoding: "binary".into(),
            sha256: "aa".into(),
            md5: "bb".into(),
            crc32c: String::new(),
            mismatch: Default::default(),
        }),
        8 => artifact(0),
        9 => artifact(1),
        10 => Event::Wiped { bytes: 3 },
        11 => completed(),
        12 => Event::AttemptFailed {
            attempt: 1,
            code: FailureCode::RendererCrashed,
            retry_at: at(77),
            detail: None,
        },
        13 => Event::Failed {
            attempts: 2,
            code: FailureCode::Corrupt,
            capability: None,
            detail: None,
        },
        14 => Event::CancelRequested {},
        15 => Event::Cancelled {},
        16 => Event::Expired {},
        _ => Event::Erased { objects: 0 },
    }
}

fn application(account: AccountId, n: u128) -> Application {
    let application =
        ApplicationId::from_uuid(Uuid::from_u128(account.as_uuid().as_u128() * 16 + n));
    Application {
        application,
        key: format!("dk_{application}"),
        secret_digest: "00".into(),
        terms: domain::account::Terms::default(),
    }
}

fn account_event(account: AccountId, choice: u8) -> account::Event {
    match choice {
        0..=2 => account::Event::Opened { label: None },
        3..=5 => account::Event::ApplicationAdded(application(account, u128::from(choice))),
        6..=8 => account::Event::ApplicationRevoked {
            application: application(account, u128::from(choice - 3)).application,
        },
        _ => account::Event::WebhookSecretSet { secret: sealed("secret") },
    }
}

fn upload_id(n: u128) -> upload::Id {
    upload::Id { account: account_id(n % 2), upload: UploadId::from_uuid(Uuid::from_u128(n)) }
}

fn upload_event(choice: u8) -> upload::Event {
    let checksum = upload::Checksum::Crc32c("e3069283".to_owned());
    match choice {
        0..=9 => upload::Event::Started(upload::Started {
            application: None,
            file_name: None,
            size_bytes: 100,
            part_bytes: 100,
            multipart: sealed("multipart"),
            key: "uploads/a/b".to_owned(),
            checksum: Some(checksum),
            expires_at: at(1),
        }),
        10..=13 => upload::Event::SourceUploaded { size_bytes: 100, checksum },
        14 => upload::Event::Expired {},
        _ => upload::Event::Removed { because: upload::RemovedBecause::Asked },
    }
}

/// Steps of three streams, numbered as a log would, some to a day.
fn entries(steps: &[(u8, u8, u8)]) -> Vec<Entry> {
    let mut ends = Positions::default();
    steps
        .iter()
        .map(|&(stream, who, what)| {
            let who = u128::from(who);
            let (stream, seq, change) = match stream {
                0 => {
                    ends.accounts += 1;
                    let account = account_id(who % 2);
                    let change = Change::Account(account, account_event(account, what));
                    (Stream::Accounts, ends.accounts, change)
                }
                1 => {
                    ends.uploads += 1;
                    let change = Change::Upload(upload_id(who), upload_event(what));
                    (Stream::Uploads, ends.uploads, change)
                }
                _ => {
                    ends.jobs += 1;
                    let change = match what {
                        19 => Change::Unreadable,
                        what => Change::Job(job_id(who), job_event(what)),
                    };
                    (Stream::Jobs, ends.jobs, change)
                }
            };
            Entry { stream, seq, at: at(seq * 9_000), change }
        })
        .collect()
}

fn fresh() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let (store, found) = Store::open(&folder.path().join("readmodel")).unwrap();
    assert_eq!(found, Found::Nothing);
    (folder, store)
}

fn one(stream: Stream, seq: u64, change: Change) -> Entry {
    Entry { stream, seq, at: at(seq), change }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_same_events_make_the_same_store_however_they_are_cut_repeated_and_interrupted(
        steps in vec((0_u8..4, 0_u8..6, 0_u8..20), 1..120),
        cuts in vec((any::<Index>(), any::<Index>()), 0..12),
        reopen in any::<Index>(),
    ) {
        let entries = entries(&steps);
        let (_folder, rebuilt) = fresh();
        rebuilt.apply(&entries).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("readmodel");
        let mut live = Store::open(&path).unwrap().0;
        // Every batch starts at or before the place that was reached, as after a lost ack.
        let mut reached = 0;
        let stop = reopen.index(cuts.len() + 1);
        for (n, (overlap, length)) in cuts.iter().enumerate() {
            let from = if reached == 0 { 0 } else { overlap.index(reached) };
            let to = (reached + length.index(entries.len())).min(entries.len());
            live.apply(&entries[from..to]).unwrap();
            reached = to;
            if n == stop {
                let before = live.hash().unwrap();
                drop(live);
                live = Store::open(&path).unwrap().0;
                prop_assert_eq!(live.hash().unwrap(), before);
            }
        }
        live.apply(&entries).unwrap();
        prop_assert_eq!(live.hash().unwrap(), rebuilt.hash().unwrap());
        prop_assert_eq!(live.positions(), rebuilt.positions());

        // Lists, counts and rows tell the same story.
        for account in [account_id(0), account_id(1)] {
            let all = live.jobs(account, None, None, 200).unwrap().rows;
            let counts = live.counts(account).unwrap();
            for status in Status::ALL {
                let of_status = live.jobs(account, Some(status), None, 200).unwrap().rows;
                let expected: Vec<_> =
                    all.iter().filter(|row| row.job.status() == status).cloned().collect();
                prop_assert_eq!(counts[&status], expected.len() as u64);
                prop_assert_eq!(of_status, expected);
            }
            usage::adds_up(&live, account, &entries);
            if let Some(row) = live.account(account).unwrap() {
                for n in 3..=5 {
                    let application = application(account, n);
                    let known = row.state.is_open()
                        && row.state.applications.contains_key(&application.application);
                    let holder = live.application(&application.key).unwrap();
                    prop_assert_eq!(holder.map(|holder| holder.account), known.then_some(account));
                }
            }
        }
    }
}

#[test]
fn what_has_been_taken_in_is_passed_over() {
    let (_folder, store) = fresh();
    let id = job_id(1);
    let first = one(Stream::Jobs, 5, Change::Job(id, requested()));
    store.apply(std::slice::from_ref(&first)).unwrap();
    let hash = store.hash().unwrap();
    store.apply(&[first.clone(), first.clone()]).unwrap();
    assert_eq!(store.hash().unwrap(), hash);
    assert_eq!(store.positions(), Positions { jobs: 5, ..Positions::default() });

    // The same place in the other stream is another message.
    store
        .apply(&[one(
            Stream::Accounts,
            5,
            Change::Account(id.account, account::Event::Opened { label: None }),
        )])
        .unwrap();
    assert_eq!(store.positions(), Positions { accounts: 5, jobs: 5, ..Positions::default() });
    assert!(store.account(id.account).unwrap().is_some());
}

#[test]
fn a_whole_life_in_one_batch_ends_where_it_ends() {
    let (_folder, store) = fresh();
    let id = job_id(4);
    let life = [requested(), started(1), Event::Wiped { bytes: 0 }, completed()];
    let entries: Vec<Entry> = life
        .into_iter()
        .zip(1..)
        .map(|(event, seq)| one(Stream::Jobs, seq, Change::Job(id, event)))
        .collect();
    store.apply(&entries).unwrap();
    let row = store.job(id).unwrap().unwrap();
    assert_eq!((row.seq, row.job.status()), (4, Status::Completed));
    let counts = store.counts(id.account).unwrap();
    assert_eq!(counts.values().sum::<u64>(), 1);
    assert_eq!(counts[&Status::Completed], 1);
    assert_eq!(store.counts_of_all().unwrap(), counts);
}

#[test]
fn another_accounts_id_leads_nowhere() {
    let (_folder, store) = fresh();
    let id = job_id(2);
    store.apply(&[one(Stream::Jobs, 1, Change::Job(id, requested()))]).unwrap();
    assert!(store.job(id).unwrap().is_some());
    assert!(store.job(job::Id { account: account_id(1), ..id }).unwrap().is_none());
    assert!(store.jobs(account_id(1), None, None, 10).unwrap().rows.is_empty());
}

#[test]
fn a_revoked_key_names_nobody() {
    let (_folder, store) = fresh();
    let account = account_id(0);
    let change = |event| Change::Account(account, event);
    let open = one(Stream::Accounts, 1, change(account::Event::Opened { label: None }));
    let add =
        one(Stream::Accounts, 2, change(account::Event::ApplicationAdded(application(account, 3))));
    store.apply(&[open, add]).unwrap();
    assert_eq!(store.application(&application(account, 3).key).unwrap().unwrap().account, account);
    let revoke =
        account::Event::ApplicationRevoked { application: application(account, 3).application };
    store.apply(&[one(Stream::Accounts, 3, change(revoke))]).unwrap();
    assert!(store.application(&application(account, 3).key).unwrap().is_none());
}

#[test]
fn pages_follow_on_while_jobs_come_and_move() {
    let (_folder, store) = fresh();
    let id = |n: u64| job_id(u128::from(n) * 2);
    let request = |n: u64| one(Stream::Jobs, n, Change::Job(id(n), requested()));
    store.apply(&(1..=10).map(request).collect::<Vec<_>>()).unwrap();
    let account = account_id(0);

    let first = store.jobs(account, Some(Status::Queued), None, 4).unwrap();
    let cursor = first.next.unwrap();
    assert_eq!(cursor.to_string().parse(), Ok(cursor));
    // Newer ones arrive; the one the page ended with, and one ahead, change their status.
    store.apply(&(11..=13).map(request).collect::<Vec<_>>()).unwrap();
    store.apply(&[one(Stream::Jobs, 14, Change::Job(id(7), started(1)))]).unwrap();
    store.apply(&[one(Stream::Jobs, 15, Change::Job(id(3), started(1)))]).unwrap();
    let second = store.jobs(account, Some(Status::Queued), Some(cursor), 10).unwrap();
    assert_eq!(second.next, None);

    let ids = |rows: &[readmodel::JobRow]| rows.iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(&first.rows), [10, 9, 8, 7].map(|n| id(n).job));
    assert_eq!(ids(&second.rows), [6, 5, 4, 2, 1].map(|n| id(n).job));
    let exact = store.jobs(account, None, None, 13).unwrap();
    assert_eq!((exact.rows.len(), exact.next), (13, None));
}

#[test]
fn a_list_of_all_misses_none_while_jobs_go_from_status_to_status() {
    let (_folder, store) = fresh();
    let id = |n: u64| job_id(u128::from(n) * 2);
    let jobs = 8;
    let request = |n: u64| one(Stream::Jobs, n, Change::Job(id(n), requested()));
    store.apply(&(1..=jobs).map(request).collect::<Vec<_>>()).unwrap();
    let expected: Vec<_> = (1..=jobs).rev().map(|n| id(n).job).collect();
    std::thread::scope(|scope| {
        let moves = scope.spawn(|| {
            for seq in jobs + 1..jobs + 600 {
                // Each in turn is started, and goes back to wait.
                let event = match (seq / jobs) % 2 {
                    0 => started(1),
                    _ => Event::AttemptFailed {
                        attempt: 1,
                        code: FailureCode::RendererCrashed,
                        retry_at: at(seq),
                        detail: None,
                    },
                };
                store
                    .apply(&[one(Stream::Jobs, seq, Change::Job(id(1 + seq % jobs), event))])
                    .unwrap();
            }
        });
        while !moves.is_finished() {
            let listed = store.jobs(account_id(0), None, None, 20).unwrap().rows;
            assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), expected);
        }
    });
    assert_eq!(store.counts(account_id(0)).unwrap().values().sum::<u64>(), jobs);
}

#[test]
fn a_text_that_is_no_cursor_is_refused() {
    for text in ["", "zz", "00", &"0".repeat(50), "💥"] {
        assert!(text.parse::<readmodel::Cursor>().is_err(), "{text}");
    }
}

#[test]
fn a_message_that_cannot_be_read_is_passed_and_remembered() {
    let (_folder, store) = fresh();
    store.apply(&[one(Stream::Jobs, 1, Change::Unreadable)]).unwrap();
    assert_eq!((store.position(Stream::Jobs), store.unreadable().unwrap()), (1, 1));
}

#[test]
fn a_second_opener_is_told_who_is_in_the_way() {
    let (folder, _store) = fresh();
    let error = Store::open(&folder.path().join("readmodel")).err().unwrap();
    assert!(matches!(error, Error::Held { .. }), "{error}");
    assert!(error.to_string().contains("another process"));
}

#[test]
fn rows_survive_a_drop_without_a_flush() {
    let (folder, store) = fresh();
    store.apply(&[one(Stream::Jobs, 1, Change::Job(job_id(1), requested()))]).unwrap();
    let hash = store.hash().unwrap();
    drop(store);
    let (store, found) = Store::open(&folder.path().join("readmodel")).unwrap();
    assert_eq!(found, Found::Rows(Positions { jobs: 1, ..Positions::default() }));
    assert_eq!(store.hash().unwrap(), hash);
}

#[test]
fn a_condemned_store_is_set_aside_and_made_anew() {
    let (folder, store) = fresh();
    store.apply(&[one(Stream::Jobs, 1, Change::Job(job_id(1), requested()))]).unwrap();
    store.condemn().unwrap();
    drop(store);
    let (store, found) = Store::open(&folder.path().join("readmodel")).unwrap();
    let Found::Unusable { moved_to, why } = found else { panic!("{found:?}") };
    assert_eq!(why, WhyAnew::Format { found: 0 });
    assert!(moved_to.is_dir());
    assert_eq!(store.positions(), Positions::default());
    assert!(store.job(job_id(1)).unwrap().is_none());
}

#[test]
fn any_damaged_file_leads_to_an_answer_and_never_to_a_crash() {
    let (folder, store) = fresh();
    let path = folder.path().join("readmodel");
    let ids = 0..200_u64;
    let entries: Vec<Entry> = ids
        .map(|n| one(Stream::Jobs, n + 1, Change::Job(job_id(u128::from(n)), requested())))
        .collect();
    store.apply(&entries).unwrap();
    let whole = store.hash().unwrap();
    store.flush().unwrap();
    drop(store);
    let files: Vec<_> = std::fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.is_file())
        .collect();
    for file in files {
        let intact = std::fs::read(&file).unwrap();
        std::fs::write(&file, vec![0xa5; intact.len()]).unwrap();
        let (store, _found) = Store::open(&path).unwrap();
        // Read from the log again, it is what it was.
        store.apply(&entries).unwrap();
        assert_eq!(store.hash().unwrap(), whole, "{}", file.display());
        store.flush().unwrap();
        drop(store);
    }
}

#[test]
fn a_cleared_store_is_as_new() {
    let (_folder, store) = fresh();
    let empty = store.hash().unwrap();
    store.apply(&[one(Stream::Jobs, 1, Change::Job(job_id(1), requested()))]).unwrap();
    store.clear().unwrap();
    assert_eq!(store.hash().unwrap(), empty);
    assert_eq!(store.positions(), Positions::default());
}
