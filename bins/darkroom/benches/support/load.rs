//! A load generator: requests made beforehand, sent over connections that stay open.
//!
//! It writes bytes and looks for a status and a length, so that it costs a few microseconds a
//! request and is never what is measured. It runs on a thread of its own.

use std::{
    io,
    net::SocketAddr,
    ops::Range,
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
            let body = self.buffer.get(body).unwrap_or_default();
            if status != plan.status {
                let body = String::from_utf8_lossy(body);
                return Err(format!("answered with {status}: {body}").into());
            }
            if plan.keep {
                bodies.push(body.to_vec());
            }
        }
    }

    /// Reads one answer, and says where its body lies: the next can only follow the next request.
    async fn answer(&mut self) -> io::Result<(u16, Range<usize>)> {
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some(Head { status, length, bytes: from }) = read_head(&self.buffer)? else {
                continue;
            };
            let to = from + length;
            while self.buffer.len() < to {
                if self.stream.read_buf(&mut self.buffer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            return Ok((status, from..to));
        }
    }
}

/// What a head says.
struct Head {
    status: u16,
    /// Bytes of the body.
    length: usize,
    /// Bytes of the head itself.
    bytes: usize,
}

/// Reads a head in one pass, once all of it is there.
fn read_head(buffer: &[u8]) -> io::Result<Option<Head>> {
    const LENGTH: &[u8] = b"content-length:";
    let odd = || io::Error::other("not an answer with a status and a length");
    let (mut status, mut length, mut bytes) = (None, None, 0);
    for line in buffer.split_inclusive(|byte| *byte == b'\n') {
        let text = || std::str::from_utf8(line).map_err(io::Error::other);
        if bytes == 0 {
            status = text()?.split(' ').nth(1).and_then(|status| status.parse().ok());
        } else if line.get(..LENGTH.len()).is_some_and(|name| name.eq_ignore_ascii_case(LENGTH)) {
            length = text()?.split(':').nth(1).and_then(|length| length.trim().parse().ok());
        }
        bytes += line.len();
        if line == b"\r\n" {
            let length = length.filter(|length| *length <= MAX_ANSWER_BYTES).ok_or_else(odd)?;
            return Ok(Some(Head { status: status.ok_or_else(odd)?, length, bytes }));
        }
    }
    Ok(None)
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
