//! The SDK's client for one destination, made from that destination alone.

use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Config, Credentials, Region, RequestChecksumCalculation,
    SharedCredentialsProvider, retry::RetryPartition,
};

use crate::{
    CustomerKey, Destination, Encryption, Error,
    destination::Base,
    key,
    network::{Network, Patience},
    role::Taking,
};

/// What the credentials are called where the SDK names their origin.
const ORIGIN: &str = "destination";

/// A destination that was checked, and a client that speaks with it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) sdk: aws_sdk_s3::Client,
    pub(crate) destination: Destination,
    pub(crate) base: Base,
    patience: Patience,
}

impl Client {
    pub(crate) async fn open(destination: Destination, network: &Network) -> Result<Self, Error> {
        let base = destination.check()?;
        network.judge(base.endpoint.as_ref()).await?;
        let credentials = credentials(&destination.credentials, network).await?;
        let sdk = aws_sdk_s3::Client::from_conf(config(&destination, credentials, &base, network));
        Ok(Self { sdk, destination, base, patience: network.patience })
    }

    /// The whole key of what the caller calls `name`.
    pub(crate) fn key(&self, name: &str) -> Result<String, Error> {
        key::check(name)?;
        let full = format!("{}{name}", self.destination.prefix);
        key::check(&full)?;
        Ok(full)
    }

    /// The customer's own key, where objects are encrypted with one.
    pub(crate) const fn sse_c(&self) -> Option<&CustomerKey> {
        match &self.destination.encryption {
            Encryption::SseC { key } => Some(key),
            Encryption::None | Encryption::SseS3 | Encryption::SseKms { .. } => None,
        }
    }

    /// Timeouts for a request with a body of this size.
    pub(crate) fn patience(&self, body_bytes: u64) -> Builder {
        Config::builder().timeout_config(self.patience.timeouts(body_bytes))
    }
}

/// The keys as they are, or those of the role that is taken on with them.
async fn credentials(
    keys: &crate::Credentials,
    network: &Network,
) -> Result<SharedCredentialsProvider, Error> {
    if let Some(role) = &keys.role {
        return Ok(SharedCredentialsProvider::new(Taking::begin(keys, role, network).await?));
    }
    Ok(SharedCredentialsProvider::new(Credentials::new(
        keys.access_key.clone(),
        keys.secret_key.expose(),
        keys.session_token.as_ref().map(|token| token.expose().to_owned()),
        None,
        ORIGIN,
    )))
}

fn config(
    destination: &Destination,
    credentials: SharedCredentialsProvider,
    base: &Base,
    network: &Network,
) -> Config {
    // Built bare: nothing in here reads the environment, profiles or a metadata service.
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(destination.region.clone()))
        .credentials_provider(credentials)
        .http_client(network.client.clone())
        .timeout_config(network.patience.timeouts(0))
        .retry_config(network.patience.retries())
        // A budget of its own: one tenant's dead endpoint must not use up everybody's retries.
        .retry_partition(RetryPartition::custom(ORIGIN).build())
        .force_path_style(base.path_style)
        // Checksums are SHA-256, computed here and sent as a header, which every server knows;
        // the SDK's own would be trailers, which some do not.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        // Session keys would need a permission beyond PutObject.
        .disable_s3_express_session_auth(true)
        .disable_multi_region_access_points(true)
        .use_arn_region(false);
    if let Some(url) = &base.endpoint {
        config = config.endpoint_url(url.as_str());
    }
    config.build()
}
