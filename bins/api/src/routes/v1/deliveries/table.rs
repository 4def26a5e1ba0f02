//! `GET /v1/deliveries?format=csv`: every delivery that is wanted, as a table (RFC 4180).
//!
//! It is read page by page while the client takes it, so that its length costs no memory. One that
//! cannot be read to its end breaks off: what was cut short must not look whole.

use std::{fmt::Write as _, sync::Arc};

use bytes::Bytes;
use domain::id::AccountId;
use futures::{Stream, stream};
use http::{HeaderValue, header};
use readmodel::{DeliveryFilter, DeliveryRow, MAX_PAGE_ROWS, Store};
use serde::Serialize;
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinError};
use warp::reply::{Reply as _, Response};

use super::DeliveryView;
use crate::{app::App, problem::Problem};

/// Pages made ready before the client has taken those before.
const AHEAD: usize = 2;
/// The columns. New ones come last.
const HEAD: &str = "id,endpoint,topic,job,sequence,status,attempts,due_at,updated_at,retry_at,\
    http_status,latency_ms,code,address,attempted_at,event,webhook_id,duplicates\r\n";

/// What goes to the client.
enum Part {
    Rows(String),
    End,
}

/// Why a page cannot be read.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("read the read model")]
    Rows(#[from] readmodel::Error),
    #[error("wait for the reader")]
    Reader(#[from] JoinError),
}

/// The table ends before its end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table breaks off")]
struct BrokenOff;

/// The answer with everything of the account's that `filter` wants.
pub(super) fn response(
    app: &App,
    account: AccountId,
    filter: DeliveryFilter,
) -> Result<Response, Problem> {
    // One that lasts takes the place of an event stream.
    let place = app.places.take(account)?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let (store, shutdown) = (app.store.clone(), app.shutdown.clone());
    tokio::spawn(async move {
        let _place = place;
        let sent = shutdown.run_until_cancelled(send(store, account, filter, &sender)).await;
        if let Some(Err(error)) = sent {
            tracing::warn!(error = %service::Chain(&error), "a table breaks off");
        }
    });
    let mut response = warp::reply::stream(body(receiver)).into_response();
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    headers.insert(header::CONTENT_TYPE, media_type);
    let name = HeaderValue::from_static("attachment; filename=\"deliveries.csv\"");
    headers.insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

/// Sends page by page, and then that this was all; nothing more once the client is gone.
async fn send(
    store: Arc<Store>,
    account: AccountId,
    mut filter: DeliveryFilter,
    sender: &mpsc::Sender<Part>,
) -> Result<(), Trouble> {
    let mut text = HEAD.to_owned();
    loop {
        let (store, wanted) = (store.clone(), filter.clone());
        let read = move || store.deliveries(account, &wanted, MAX_PAGE_ROWS);
        let page = tokio::task::spawn_blocking(read).await??;
        for row in &page.rows {
            write(&mut text, row);
        }
        // Where nothing of a stretch is wanted, there is nothing to say of it.
        if !text.is_empty() && sender.send(Part::Rows(std::mem::take(&mut text))).await.is_err() {
            return Ok(());
        }
        filter.cursor = page.next;
        if filter.cursor.is_none() {
            let _gone = sender.send(Part::End).await;
            return Ok(());
        }
    }
}

/// What is sent, as a body that fails where it stops without having come to its end.
fn body(
    receiver: mpsc::Receiver<Part>,
) -> impl Stream<Item = Result<Bytes, BrokenOff>> + Send + Sync {
    stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Part::Rows(text)) => Some((Ok(Bytes::from(text)), Some(receiver))),
            Some(Part::End) => None,
            None => Some((Err(BrokenOff), None)),
        }
    })
}

/// Ids, words, numbers, times and addresses: nothing in a row is a stranger's text, so nothing needs
/// quotes, and nothing begins like a formula.
fn write(table: &mut String, row: &DeliveryRow) {
    let view = DeliveryView::of(row);
    let last = view.last;
    let code = view.code.or_else(|| last?.code);
    let cells = [
        view.id.to_string(),
        view.endpoint.to_string(),
        view.topic,
        cell(view.job),
        view.sequence.to_string(),
        view.status.to_owned(),
        view.attempts.to_string(),
        view.due_at.to_string(),
        view.updated_at.to_string(),
        cell(view.retry_at),
        cell(last.and_then(|last| last.status)),
        cell(last.map(|last| last.latency_ms)),
        cell(code),
        cell(last.and_then(|last| last.address)),
        cell(last.map(|last| last.at)),
        view.event.to_string(),
        view.webhook_id,
        view.duplicates.to_string(),
    ];
    // Writing to a text never fails.
    let _written = write!(table, "{}\r\n", cells.join(","));
}

/// As in JSON, without quotes; empty where there is nothing.
fn cell(value: Option<impl Serialize>) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        Ok(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::StreamExt as _;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };
    use tokio_util::task::AbortOnDropHandle;
    use uuid::Uuid;
    use warp::Filter as _;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_table_that_stops_before_its_end_breaks_off() {
        let rows = || Part::Rows("a\r\n".to_owned());
        for (parts, whole) in [
            (vec![rows(), rows(), Part::End], true),
            (vec![rows(), rows()], false),
            (vec![], false),
        ] {
            let (sender, receiver) = mpsc::channel(3);
            let count = parts.iter().filter(|part| matches!(part, Part::Rows(_))).count();
            for part in parts {
                assert!(sender.send(part).await.is_ok());
            }
            drop(sender);
            let read: Vec<_> = body(receiver).collect().await;
            assert_eq!(read.iter().filter(|part| part.is_ok()).count(), count);
            assert_eq!(read.last() != Some(&Err(BrokenOff)), whole);
        }
    }

    #[tokio::test]
    async fn whoever_reads_it_from_the_wire_sees_whether_it_is_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let table = warp::path!(bool).map(|whole: bool| {
            let (sender, receiver) = mpsc::channel(2);
            let end = whole.then_some(Part::End);
            for part in [Some(Part::Rows("a\r\n".to_owned())), end].into_iter().flatten() {
                assert!(sender.try_send(part).is_ok());
            }
            warp::reply::stream(body(receiver))
        });
        let _server =
            AbortOnDropHandle::new(tokio::spawn(warp::serve(table).incoming(listener).run()));
        for whole in [true, false] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET /{whole} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
            let closed = read.unwrap().is_ok();
            // The last chunk of a body is empty (RFC 9112, section 7.1).
            assert_eq!(closed && answer.ends_with(b"\r\n0\r\n\r\n"), whole, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn nobody_reads_on_for_a_client_that_is_gone() {
        let (sender, receiver) = mpsc::channel(AHEAD);
        drop(receiver);
        let (store, account) = (Arc::new(Store::memory()), AccountId::from_uuid(Uuid::nil()));
        let sent = send(store, account, DeliveryFilter::default(), &sender).await;
        assert!(sent.is_ok());
    }
}
