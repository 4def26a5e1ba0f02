//! TLS: whom we believe, and every way of not being believed (W-14).

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use egress::{Client, Error, HookUrl, Plaintext, RedirectError, SetupError, SourceUrl};
use http::{HeaderMap, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::servers::{LOOPBACK, Server, client, ok, redirect, settings, soon, trusting};

const NAME: &str = "secure.test";

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem())
            .unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn issue(&self, params: &CertificateParams) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        acceptor(vec![certificate.der().clone()], &key, &[])
    }
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

fn acceptor(chain: Vec<CertificateDer<'static>>, key: &KeyPair, alpn: &[&[u8]]) -> TlsAcceptor {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn serving(acceptor: TlsAcceptor, text: String) -> Server {
    Server::wired(LOOPBACK, Some(acceptor), move |mut wire, _| {
        let text = text.clone();
        async move {
            let _ = wire.write_all(text.as_bytes()).await;
            let _ = wire.shutdown().await;
        }
    })
    .await
}

async fn fetch(client: &Client, server: &Server) -> Result<Bytes, Error> {
    let url = SourceUrl::parse(&format!("https://{NAME}:{}/", server.port())).unwrap();
    client.fetch(&url, 1_000, soon()).await?.body.collect().await
}

#[tokio::test]
async fn a_certificate_of_the_operators_authority_is_believed_and_of_nobody_elses() {
    let authority = Authority::new();
    let server = serving(authority.issue(&params(NAME)), ok("safe")).await;
    assert_eq!(
        fetch(&client(&trusting(&authority.file(), &[&server])), &server).await.unwrap(),
        "safe"
    );
    let stranger = client(&settings(&[&server]));
    assert!(matches!(fetch(&stranger, &server).await, Err(Error::Tls(_))));
    let other = Authority::new();
    assert!(matches!(
        fetch(&client(&trusting(&other.file(), &[&server])), &server).await,
        Err(Error::Tls(_))
    ));
    assert_eq!(server.heads().len(), 1, "nothing is sent to a server that is not believed");
    assert!(rustls::crypto::CryptoProvider::get_default().is_none(), "no process-wide provider");
}

#[tokio::test]
async fn a_bad_certificate_is_refused_whatever_is_wrong_with_it() {
    let authority = Authority::new();
    let mut expired = params(NAME);
    (expired.not_before, expired.not_after) =
        (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let mut early = params(NAME);
    (early.not_before, early.not_after) = (date_time_ymd(2200, 1, 1), date_time_ymd(2201, 1, 1));
    let mut for_clients = params(NAME);
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let mut common_name_only = CertificateParams::new(Vec::new()).unwrap();
    common_name_only.distinguished_name.push(DnType::CommonName, NAME);
    let mut is_authority = params(NAME);
    is_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own_key = KeyPair::generate().unwrap();
    let self_signed = params(NAME).self_signed(&own_key).unwrap();
    let (middle_key, leaf_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let not_a_ca = params("middle.test");
    let middle = not_a_ca.signed_by(&middle_key, &authority.issuer).unwrap();
    let leaf = params(NAME).signed_by(&leaf_key, &Issuer::new(not_a_ca, middle_key)).unwrap();
    let wrong_key = KeyPair::generate().unwrap();
    let table = [
        ("expired", authority.issue(&expired)),
        ("not yet valid", authority.issue(&early)),
        ("another host", authority.issue(&params("other.test"))),
        ("wildcard of another level", authority.issue(&params("*.secure.test"))),
        ("for clients only", authority.issue(&for_clients)),
        ("common name only", authority.issue(&common_name_only)),
        ("an authority itself", authority.issue(&is_authority)),
        ("self-signed", acceptor(vec![self_signed.der().clone()], &own_key, &[])),
        (
            "issued by a leaf",
            acceptor(vec![leaf.der().clone(), middle.der().clone()], &leaf_key, &[]),
        ),
        ("unknown authority", Authority::new().issue(&params(NAME))),
        ("the address instead of the name", authority.issue(&params("127.0.0.1"))),
        (
            "self-signed, unrelated",
            acceptor(
                vec![params(NAME).self_signed(&wrong_key).unwrap().der().clone()],
                &wrong_key,
                &[],
            ),
        ),
    ];
    for (what, acceptor) in table {
        let server = serving(acceptor, ok("unsafe")).await;
        let client = client(&trusting(&authority.file(), &[&server]));
        let got = fetch(&client, &server).await;
        assert!(matches!(got, Err(Error::Tls(_))), "{what}: {got:?}");
        let hook =
            HookUrl::parse(&format!("https://{NAME}:{}/", server.port()), Plaintext::Refused)
                .unwrap();
        let posted =
            client.post(&hook, HeaderMap::new(), Bytes::new(), Duration::from_secs(20)).await;
        assert!(matches!(posted.unwrap_err().error, Error::Tls(_)), "{what}");
        assert!(server.heads().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_server_without_tls_or_that_stalls_in_the_handshake_is_no_https_server() {
    let plain = Server::answering(|_| ok("plain")).await;
    let quick = egress::Settings { connect_ms: 300, ..settings(&[&plain]) };
    assert!(fetch(&client(&quick), &plain).await.is_err());
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut stalling = settings(&[]);
    stalling.allow = format!("127.0.0.1/32:{port}").parse().unwrap();
    stalling.connect_ms = 100;
    let url = SourceUrl::parse(&format!("https://{NAME}:{port}/")).unwrap();
    let got = client(&stalling).fetch(&url, 1, soon()).await;
    assert!(matches!(got, Err(Error::Timeout(egress::Phase::Connect))));
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_not_followed() {
    let plain = Server::forbidden().await;
    let authority = Authority::new();
    let server = serving(authority.issue(&params(NAME)), redirect(302, &plain.url("/"))).await;
    let got = fetch(&client(&trusting(&authority.file(), &[&server, &plain])), &server).await;
    assert!(matches!(got, Err(Error::Redirect(RedirectError::Downgrade))), "{got:?}");
    assert_eq!(plain.connections(), 0);
}

#[tokio::test]
async fn http_2_is_spoken_where_it_is_offered() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let certificate = params(NAME).signed_by(&key, &authority.issuer).unwrap();
    let acceptor = acceptor(vec![certificate.der().clone()], &key, &[b"h2"]);
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = acceptor.accept(stream).await.unwrap();
            let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                let text =
                    format!("{:?} {}", request.version(), request.uri().authority().unwrap());
                Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(text))))
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    let mut settings = trusting(&authority.file(), &[]);
    settings.allow = format!("127.0.0.1/32:{port}").parse().unwrap();
    let client = client(&settings);
    let url = SourceUrl::parse(&format!("https://{NAME}:{port}/")).unwrap();
    let body = client.fetch(&url, 1_000, soon()).await.unwrap().body.collect().await.unwrap();
    assert_eq!(body, format!("HTTP/2.0 {NAME}:{port}"));
    let hook = HookUrl::parse(&format!("https://{NAME}:{port}/"), Plaintext::Refused).unwrap();
    let posted =
        client.post(&hook, HeaderMap::new(), Bytes::new(), Duration::from_secs(20)).await.unwrap();
    assert_eq!((posted.status, posted.address), (200, Some(IpAddr::from(LOOPBACK))));
    assert_eq!(posted.excerpt, format!("HTTP/2.0 {NAME}:{port}"));
    serving.abort();
}

#[test]
fn an_unusable_ca_file_stops_the_start_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authorities.pem");
    let start = || {
        let error =
            Client::new(&egress::Settings { ca_file: Some(path.clone()), ..Default::default() })
                .err()
                .unwrap();
        assert!(error.to_string().contains("authorities.pem"), "{error}");
        error
    };
    assert!(matches!(start(), SetupError::CaFile { .. }));
    std::fs::write(&path, "nothing here").unwrap();
    assert!(matches!(start(), SetupError::CaEmpty { .. }));
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    assert!(matches!(start(), SetupError::CaCertificate { .. }));
}
