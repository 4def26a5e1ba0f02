//! A way to a server on which everything that passes is kept.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use url::Url;

/// Passes bytes on between whoever connects and a server of loopback, and keeps them.
pub(super) struct Tap {
    port: u16,
    target: watch::Sender<u16>,
    said: Arc<Mutex<Vec<u8>>>,
    _passing: JoinSet<()>,
}

impl Tap {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, aim) = watch::channel(0);
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let (keeper, mut passing) = (Arc::clone(&said), JoinSet::new());
        passing.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let port = *aim.borrow();
                connections.spawn(pass(client, port, Arc::clone(&keeper)));
            }
        });
        Self { port, target, said, _passing: passing }
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Leads to the server at this URL.
    pub(super) fn lead_to(&self, url: &str) {
        self.target.send_replace(Url::parse(url).unwrap().port().unwrap());
    }

    /// Everything that passed so far, in either direction.
    pub(super) fn said(&self) -> Vec<u8> {
        self.said.lock().unwrap().clone()
    }
}

async fn pass(client: TcpStream, port: u16, said: Arc<Mutex<Vec<u8>>>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(copy(from_client, to_server, &said), copy(from_server, to_client, &said));
}

/// What one side says stays together: a text that is cut by the other's would not be found.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    said: &Mutex<Vec<u8>>,
) {
    let (mut all, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        all.extend_from_slice(&chunk[..read]);
        // With what came before, in case a text was cut there.
        let overlap = all.len().saturating_sub(read + 256);
        said.lock().unwrap().extend_from_slice(&all[overlap..]);
        if to.write_all(&chunk[..read]).await.is_err() {
            break;
        }
    }
    // Half a connection goes on.
    let _ = to.shutdown().await;
}
