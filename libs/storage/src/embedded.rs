//! An S3 server inside this process, for one machine: objects are files in a folder.
//!
//! It is `s3s-fs` behind a gate of our own: every request is signed, keys cannot climb out of their
//! bucket, a bucket is made at start or not at all, and a second credential may only write. An
//! object is written beside its place and renamed into it, so that a killed process leaves either
//! the old one or the new one; nothing is synced to the disk, so a power cut can lose the newest.
//! Plaintext, and therefore on loopback alone.
//!
//! Known limits: encryption, ACLs and expected owners are accepted and not acted
//! upon; a body that fails its checksum is answered as such, but has already replaced the object; a
//! deleted object's headers and the parts of an upload nobody finished stay in the folder.

mod cors;
mod gate;

use std::{
    fs::{File, TryLockError},
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::{
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{instrument::WithSubscriber, subscriber::NoSubscriber};

use crate::{Credentials, InvalidDestination, destination::check_bucket};

/// The most connections at once; further ones wait.
const MAX_CONNECTIONS: usize = 512;
/// How long a client may take over the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long requests under way may go on after the stop.
const DRAIN: Duration = Duration::from_secs(5);
/// How long to wait after the system refused a connection, so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The file whose lock says that a data folder is in use.
const LOCK_NAME: &str = ".lock";

/// What to serve, where, and for whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// Loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Folder of the buckets; made if it is not there.
    pub data: PathBuf,
    /// Buckets, made if they are not there.
    pub buckets: Vec<String>,
    /// Who may read, list, write and delete.
    pub admin: Credentials,
    /// Who may only store objects, whole or in parts.
    pub writer: Option<Credentials>,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Others could listen in.
    #[error("the embedded S3 server listens on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    /// No bucket can have this name.
    #[error("the bucket \"{name}\" cannot be made")]
    Bucket {
        /// The name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: InvalidDestination,
    },
    /// The two credentials could not be told apart.
    #[error("admin and writer need an access key each, and different ones")]
    Credentials,
    /// Another process serves the same folder.
    #[error("the data folder {0} is in use by another process")]
    InUse(PathBuf),
    /// The folder cannot be used.
    #[error("the data folder {path} cannot be used")]
    Data {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The port cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A server that listens, and answers once it is [served](Self::serve).
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    service: S3Service,
    // Held, so that no second process cleans away this one's half-written files.
    _lock: File,
}

impl Server {
    /// Prepares the folder and takes the port.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind(options: Options) -> Result<Self, StartError> {
        if !options.listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(options.listen));
        }
        let auth = auth(&options)?;
        let lock = prepare(&options)?;
        let unusable = |source| StartError::Data { path: options.data.clone(), source };
        let files = s3s_fs::FileSystem::new(&options.data)
            .map_err(|error| unusable(io::Error::other(format!("{error:?}"))))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(auth);
        builder.set_access(gate::Gate {
            data: options.data.clone(),
            admin: options.admin.access_key.clone(),
        });
        let refused = |source| StartError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address, service: builder.build(), _lock: lock })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint for a [`Destination`](crate::Destination).
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers requests until `shutdown`, then lets those under way end, for a few seconds.
    pub async fn serve(self, shutdown: CancellationToken) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { break };
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let answering = answer(stream, self.service.clone(), shutdown.clone());
                    // The server would log whole requests, links and signatures included.
                    let answering = answering.with_subscriber(NoSubscriber::new());
                    connections.spawn(async move {
                        answering.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the embedded S3 server could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        drop(self.listener);
        let drained = timeout(DRAIN, async { while connections.join_next().await.is_some() {} });
        if drained.await.is_err() {
            connections.shutdown().await;
        }
    }
}

async fn answer(stream: TcpStream, service: S3Service, shutdown: CancellationToken) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (preflight, from_page) = (cors::preflight(&request), cors::is_cross_origin(&request));
        let service = service.clone();
        async move {
            if let Some(answer) = preflight {
                return Ok(answer);
            }
            let mut answered = hyper::service::Service::call(&service, request).await?;
            if from_page {
                cors::allow(&mut answered);
            }
            Ok::<_, s3s::HttpError>(answered)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // A connection that breaks off is its client's affair.
    let _ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}

fn auth(options: &Options) -> Result<SimpleAuth, StartError> {
    let mut auth = SimpleAuth::new();
    for credentials in [Some(&options.admin), options.writer.as_ref()].into_iter().flatten() {
        let (key, secret) = (&credentials.access_key, &credentials.secret_key);
        if key.is_empty() || secret.is_empty() {
            return Err(StartError::Credentials);
        }
        if auth.register(key.clone(), secret.expose().into()).is_some() {
            return Err(StartError::Credentials);
        }
    }
    Ok(auth)
}

/// Makes the folder and its buckets, and locks it.
fn prepare(options: &Options) -> Result<File, StartError> {
    let unusable = |source| StartError::Data { path: options.data.clone(), source };
    for name in &options.buckets {
        check_bucket(name).map_err(|source| StartError::Bucket { name: name.clone(), source })?;
    }
    std::fs::create_dir_all(&options.data).map_err(unusable)?;
    let lock = File::create(options.data.join(LOCK_NAME)).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StartError::InUse(options.data.clone())),
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    for name in &options.buckets {
        std::fs::create_dir_all(options.data.join(name)).map_err(unusable)?;
    }
    Ok(lock)
}
