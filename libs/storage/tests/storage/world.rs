//! What the tests share: a running server, a plain HTTP client, a server with canned answers.

use std::{
    convert::Infallible,
    fs::File,
    io::Write,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use storage::{
    Body, Bucket, Credentials, Destination, Encryption, Error, Network, Object, ObjectHeaders,
    Patience, Reader, Secret, Stored,
    embedded::{Options, Server},
};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) const BUCKET: &str = "pictures";

/// Short enough that a test which waits in vain ends soon.
pub(crate) const HASTE: Patience = Patience {
    connect: Duration::from_millis(500),
    attempt: Duration::from_millis(500),
    slowest_bytes_per_s: 1 << 20,
    attempts: 2,
};

pub(crate) fn admin() -> Credentials {
    keys("ADMINKEY", "admin-secret-5f1c")
}

pub(crate) fn writer() -> Credentials {
    keys("WRITERKEY", "writer-secret-77aa")
}

pub(crate) fn keys(access_key: &str, secret_key: &str) -> Credentials {
    Credentials {
        access_key: access_key.to_owned(),
        secret_key: Secret::from(secret_key),
        session_token: None,
        role: None,
    }
}

pub(crate) fn destination(endpoint: &str, credentials: Credentials) -> Destination {
    Destination {
        endpoint: Some(endpoint.to_owned()),
        region: "us-east-1".to_owned(),
        bucket: BUCKET.to_owned(),
        prefix: String::new(),
        path_style: true,
        credentials,
        encryption: Encryption::None,
        bucket_owner: None,
    }
}

pub(crate) fn options(data: &TempDir) -> Options {
    Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data: data.path().to_owned(),
        buckets: vec![BUCKET.to_owned()],
        admin: admin(),
        writer: Some(writer()),
    }
}

/// An embedded server on a folder of its own.
pub(crate) struct World {
    pub(crate) endpoint: String,
    pub(crate) network: Network,
    pub(crate) data: TempDir,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl World {
    pub(crate) async fn start() -> Self {
        let data = TempDir::new().unwrap();
        let server = Server::bind(options(&data)).await.unwrap();
        let endpoint = server.endpoint();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(stop.clone()));
        Self { endpoint, network: Network::direct(Patience::default()), data, stop, serving }
    }

    pub(crate) async fn bucket(&self, credentials: Credentials) -> Bucket {
        Bucket::open(destination(&self.endpoint, credentials), &self.network).await.unwrap()
    }

    pub(crate) async fn reader(&self, credentials: Credentials) -> Reader {
        Reader::open(destination(&self.endpoint, credentials), &self.network).await.unwrap()
    }

    pub(crate) async fn stop(self) -> TempDir {
        self.stop.cancel();
        self.serving.await.unwrap();
        self.data
    }
}

pub(crate) fn object(key: &str, body: impl Into<Body>) -> Object {
    Object {
        key: key.to_owned(),
        content_type: "image/jpeg".to_owned(),
        headers: ObjectHeaders::default(),
        body: body.into(),
    }
}

pub(crate) async fn put(bucket: &Bucket, key: &str, bytes: &'static [u8]) -> Result<Stored, Error> {
    bucket.put(object(key, Bytes::from_static(bytes))).await
}

/// A memory file as a renderer hands it over: written, its position at the end.
pub(crate) fn memory_file(bytes: &[u8]) -> Body {
    let fd = rustix::fs::memfd_create("object", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(fd);
    file.write_all(bytes).unwrap();
    Body::file(file).unwrap()
}

/// Bytes that differ from part to part.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut bytes = Vec::with_capacity(len + 4);
    while bytes.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

#[allow(clippy::disallowed_methods, reason = "servers judge links by the real time")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request, as a client that knows nothing of S3 makes it.
pub(crate) async fn send(
    method: Method,
    url: &Url,
    headers: &[(String, String)],
    body: &[u8],
) -> Reply {
    let authority = url.authority().to_owned();
    let stream = TcpStream::connect(&authority).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = Request::builder().method(method).uri(target).header("host", authority);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    connection.abort();
    Reply { status: head.status, headers: head.headers, body }
}

/// A request that a canned server received.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) head: Arc<Parts>,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.head.method, self.head.uri)
    }
}

pub(crate) type Answering = fn(&Received) -> (u16, String);

/// The same, with headers.
pub(crate) type Telling = fn(&Received) -> (u16, Vec<(&'static str, String)>);

/// A server that answers as told and remembers what it was asked.
pub(crate) struct Canned {
    pub(crate) endpoint: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Canned {
    pub(crate) async fn start(answering: Answering) -> Self {
        Self::serve(Arc::new(move |received| {
            let (status, text) = answering(received);
            Response::builder().status(status).body(Full::from(text)).unwrap()
        }))
        .await
    }

    /// A server whose answers are their headers.
    pub(crate) async fn telling(telling: Telling) -> Self {
        Self::serve(Arc::new(move |received| {
            let (status, headers) = telling(received);
            let response = headers
                .into_iter()
                .fold(Response::builder().status(status), |response, (name, value)| {
                    response.header(name, value)
                });
            response.body(Full::default()).unwrap()
        }))
        .await
    }

    async fn serve(answering: Arc<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = received.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answering) = (log.clone(), answering.clone());
                let service =
                    service_fn(move |request| reply(log.clone(), answering.clone(), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { endpoint, received }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Waits for a request of this method with this in its query.
    pub(crate) async fn until(&self, method: &str, query: &str) {
        let seen = || {
            let mut lines = self.received().into_iter().map(|request| request.line());
            lines.any(|line| line.starts_with(method) && line.contains(query))
        };
        let seen = async {
            while !seen() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), seen).await.expect("the request comes");
    }

    pub(crate) async fn bucket(&self) -> Bucket {
        let network = Network::direct(Patience { attempts: 1, ..HASTE });
        Bucket::open(destination(&self.endpoint, admin()), &network).await.unwrap()
    }
}

type Script = dyn Fn(&Received) -> Response<Full<Bytes>> + Send + Sync;

async fn reply(
    log: Arc<Mutex<Vec<Received>>>,
    answering: Arc<Script>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let received = Received { head: Arc::new(head), body };
    let answer = answering(&received);
    log.lock().unwrap().push(received);
    Ok(answer)
}
