//! The certificate that the API is served under.

use std::{fs, path::Path, sync::Arc};

use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::TlsAcceptor;

use crate::{error::Error, settings::Api};

/// An acceptor for the certificate that is set, if one is.
pub(crate) fn acceptor(api: &Api) -> Result<Option<TlsAcceptor>, Error> {
    let (Some(certificate), Some(key)) = (&api.tls_certificate, &api.tls_key) else {
        return Ok(None);
    };
    let chain = certificates(certificate).map_err(bad("api.tls_certificate", certificate))?;
    let private = private_key(key).map_err(bad("api.tls_key", key))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, private));
    let mut config =
        config.map_err(|error| bad("api.tls_certificate", certificate)(error.into()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

fn bad(key: &'static str, path: &Path) -> impl Fn(Cause) -> Error {
    let path = path.to_owned();
    move |source| Error::Certificate { key, path: path.clone(), source }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Cause> {
    let pem = fs::read(path)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() { Err("it holds no certificate".into()) } else { Ok(chain) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Cause> {
    Ok(PrivateKeyDer::from_pem_slice(&fs::read(path)?)?)
}
