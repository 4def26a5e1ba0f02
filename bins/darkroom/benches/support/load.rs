//! A load generator: requests made beforehand, sent over connections that stay open.
//!
//! It writes bytes and looks for a status and a length, so that it costs a few microseconds a
//! request and is never what is measured. It runs on a thread of its own.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{Trouble, figures::Latencies};

/// The most bytes of one answer.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// What to send.
#[derive(Clone)]
pub struct Plan {
    pub address: SocketAddr,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// How many requests in all.
    pub total: usize,
    /// Sent in turn, from the first again after the last.
    pub requests: Arc<Vec<Vec<u8>>>,
    /// The status that every answer must have.
    pub status: u16,
    /// Whether bodies are wanted.
    pub keep: bool,
}

/// What came back.
pub struct Report {
    pub took: Duration,
    pub latencies: Latencies,
    pub bodies: Vec<Vec<u8>>,
}

/// Carries a plan out, on a thread of its own.
pub async fn run(plan: Plan) -> Result<Report, Trouble> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Whoever asked may have gone.
        let _ = sender.send(here(plan));
    });
    receiver.await?
}

fn here(plan: Plan) -> Result<Report, Trouble> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(all(plan))
}

async fn all(plan: Plan) -> Result<Report, Trouble> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut connections = Vec::new();
    for _ in 0..plan.connections {
        let stream = TcpStream::connect(plan.address).await?;
        stream.set_nodelay(true)?;
        connections.push(Connection { stream, buffer: Vec::with_capacity(16 << 10) });
    }
    let begun = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for connection in connections {
        running.spawn(connection.work(plan.clone(), next.clone()));
    }
    let (mut latencies, mut bodies) = (Vec::new(), Vec::new());
    while let Some(done) = running.join_next().await {
        let (took, kept) = done??;
        latencies.extend(took);
        bodies.extend(kept);
    }
    Ok(Report { took: begun.elapsed(), latencies: latencies.into_iter().collect(), bodies })
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn work(
        mut self,
        plan: Plan,
        next: Arc<AtomicUsize>,
    ) -> Result<(Vec<Duration>, Vec<Vec<u8>>), Trouble> {
        let (mut latencies, mut bodies) = (Vec::new(), Vec::new());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let request = plan.requests.get(number % plan.requests.len().max(1));
            let Some(request) = request.filter(|_| number < plan.total) else {
                return Ok((latencies, bodies));
            };
            let begun = Instant::now();
            self.stream.write_all(request).await?;
            let (status, body) = self.answer().await?;
            latencies.push(begun.elapsed());
            if status != plan.status {
                let body = String::from_utf8_lossy(&body).into_owned();
                return Err(format!("answered with {status}: {body}").into());
            }
            if plan.keep {
                bodies.push(body);
            }
        }
    }

    /// Reads one answer: the next can only follow the next request.
    async fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some(head) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let (status, length) = read_head(self.buffer.get(..head).unwrap_or_default())?;
            let (from, to) = (head + 4, head + 4 + length);
            while self.buffer.len() < to {
                if self.stream.read_buf(&mut self.buffer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            return Ok((status, self.buffer.get(from..to).unwrap_or_default().to_vec()));
        }
    }
}

fn read_head(head: &[u8]) -> io::Result<(u16, usize)> {
    let odd = || io::Error::other("not an answer with a status and a length");
    let text = std::str::from_utf8(head).map_err(io::Error::other)?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let length: usize = length.filter(|length| *length <= MAX_ANSWER_BYTES).ok_or_else(odd)?;
    Ok((status.ok_or_else(odd)?, length))
}

/// A request as it goes over the wire.
pub fn request(method: &str, path: &str, authorization: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let content = if body.is_empty() {
        String::new()
    } else {
        format!("content-type: application/json\r\ncontent-length: {length}\r\n")
    };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {authorization}\r\n{content}\r\n{body}"
    )
    .into_bytes()
}
