//! A way to a server that breaks off, dawdles, and counts what passes.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::sleep,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the server says, and what is passed on instead.
type Instead = Option<(&'static [u8], &'static [u8])>;

/// Bytes passed on at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Passes bytes on between whoever connects and a server of loopback.
pub struct Flaky {
    port: u16,
    target: watch::Sender<Option<u16>>,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

#[derive(Default)]
struct Shared {
    habits: Mutex<Habits>,
    sent: AtomicU64,
    received: AtomicU64,
    drops: AtomicU64,
}

#[derive(Debug, Clone, Default)]
struct Habits {
    drop_after: Option<Range<u64>>,
    bytes_per_s: Option<u64>,
    instead: Instead,
    /// State of a generator whose numbers are the same in every run.
    seed: u64,
}

impl Flaky {
    /// Listens on a free port of loopback; connections wait until there is a target.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, aim) = watch::channel(None);
        let (shared, stop) = (Arc::<Shared>::default(), CancellationToken::new());
        let (keeper, stopped) = (Arc::clone(&shared), stop.clone());
        tokio::spawn(async move {
            let accepting = async {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(stopped.clone().run_until_cancelled_owned(pass(
                        client,
                        aim.clone(),
                        Arc::clone(&keeper),
                    )));
                }
            };
            stopped.run_until_cancelled(accepting).await;
        });
        Self { port, target, shared, _stop: stop.drop_guard() }
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// It as an endpoint.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Leads to this port of loopback from now on.
    pub fn lead_to(&self, port: u16) {
        self.target.send_replace(Some(port));
    }

    /// Breaks each new connection off after so many bytes, drawn anew for each.
    pub fn drop_after(&self, bytes: Range<u64>) {
        self.shared.habits.lock().unwrap().drop_after = Some(bytes);
    }

    /// Passes no more than this on in a second, on each new connection and in each direction.
    pub fn slow_down(&self, bytes_per_s: u64) {
        self.shared.habits.lock().unwrap().bytes_per_s = Some(bytes_per_s);
    }

    /// Passes `other` on where the server says `said`, which must be as long, on each new connection:
    /// for servers by others that misspell a word.
    ///
    /// # Panics
    /// When they differ in length.
    pub fn pass_instead(&self, said: &'static [u8], other: &'static [u8]) {
        assert_eq!(said.len(), other.len());
        self.shared.habits.lock().unwrap().instead = Some((said, other));
    }

    /// Passes everything on as it comes, on new connections.
    pub fn behave(&self) {
        let mut habits = self.shared.habits.lock().unwrap();
        (habits.drop_after, habits.bytes_per_s) = (None, None);
    }

    /// Bytes that went to the server.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Bytes that came from the server.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// Connections that were broken off.
    #[must_use]
    pub fn drops(&self) -> u64 {
        self.shared.drops.load(Ordering::Relaxed)
    }
}

impl Habits {
    /// How many bytes the next connection may pass.
    fn allowance(&mut self) -> u64 {
        let Some(range) = self.drop_after.clone() else { return u64::MAX };
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        range.start + (self.seed >> 33) % (range.end - range.start).max(1)
    }
}

async fn pass(client: TcpStream, mut aim: watch::Receiver<Option<u16>>, shared: Arc<Shared>) {
    let Ok(Some(port)) = aim.wait_for(Option::is_some).await.map(|port| *port) else { return };
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (allowance, pace, instead) = {
        let mut habits = shared.habits.lock().unwrap();
        (habits.allowance(), habits.bytes_per_s, habits.instead)
    };
    let left = Arc::new(AtomicU64::new(allowance));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = copy(from_client, to_server, &shared.sent, &left, (pace, None));
    let down = copy(from_server, to_client, &shared.received, &left, (pace, instead));
    // One direction that ends leaves the other open; one that is broken off ends both.
    tokio::select! {
        broken = async { tokio::join!(up, down) } => {
            if broken.0 || broken.1 {
                shared.drops.fetch_add(1, Ordering::Relaxed);
            }
        }
        () = used_up(&left) => {
            shared.drops.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn used_up(left: &AtomicU64) {
    while left.load(Ordering::Relaxed) > 0 {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Copies until an end; whether it was broken off here.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    count: &AtomicU64,
    left: &AtomicU64,
    (pace, instead): (Option<u64>, Instead),
) -> bool {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let Ok(read @ 1..) = from.read(&mut chunk).await else {
            // Half a connection goes on: the answer to a request may still come.
            let _ = to.shutdown().await;
            return false;
        };
        let bytes = read as u64;
        if let Some(bytes_per_s) = pace {
            sleep(Duration::from_micros(bytes * 1_000_000 / bytes_per_s.max(1))).await;
        }
        if left.load(Ordering::Relaxed) < bytes {
            left.store(0, Ordering::Relaxed);
            return true;
        }
        left.fetch_sub(bytes, Ordering::Relaxed);
        if let Some((said, other)) = instead {
            let found = |bytes: &[u8]| bytes.windows(said.len()).position(|part| part == said);
            while let Some(at) = found(&chunk[..read]) {
                chunk[at..at + other.len()].copy_from_slice(other);
            }
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            return false;
        }
        count.fetch_add(bytes, Ordering::Relaxed);
    }
}
