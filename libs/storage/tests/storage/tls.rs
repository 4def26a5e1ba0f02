//! TLS: a certificate that nobody vouches for ends the request before a word of it is sent.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use storage::{Bucket, Error, Network, Patience};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use crate::{
    child,
    world::{HASTE, World, admin, destination, put},
};

/// Speaks TLS for an embedded server; counts the connections that came through.
struct Front {
    endpoint: String,
    certificate: String,
    through: Arc<AtomicUsize>,
}

impl Front {
    async fn start(world: &World) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let behind = world.endpoint.trim_start_matches("http://").to_owned();
        let through = Arc::new(AtomicUsize::new(0));
        let count = through.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                count.fetch_add(1, Ordering::Relaxed);
                let mut behind = TcpStream::connect(&behind).await.unwrap();
                tokio::spawn(async move {
                    tokio::io::copy_bidirectional(&mut stream, &mut behind).await
                });
            }
        });
        Self { endpoint, certificate: cert.pem(), through }
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let world = World::start().await;
    let front = Front::start(&world).await;
    let network = Network::direct(Patience { attempts: 1, ..HASTE });
    let bucket = Bucket::open(destination(&front.endpoint, admin()), &network).await.unwrap();
    let refused = put(&bucket, "a", b"1").await;
    assert!(matches!(refused, Err(Error::Unreachable { .. })), "{refused:?}");
    assert_eq!(front.through.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn objects_are_stored_over_tls_where_the_system_trusts_the_certificate() {
    let world = World::start().await;
    let front = Front::start(&world).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &front.certificate).unwrap();
    let mut command = child::command("puts_as_told");
    command.env("TEST_ENDPOINT", &front.endpoint).env("SSL_CERT_FILE", &file);
    let output = child::ended(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(front.through.load(Ordering::Relaxed) > 0);
}
