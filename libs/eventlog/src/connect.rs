//! A connection to the servers, as one role.

use std::{net::IpAddr, time::Duration};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use tokio::time::Instant;

use crate::{
    error::ConnectError,
    nkey::UserKey,
    settings::{Secret, Settings},
};

/// How long a process waits at its start for a server to be there.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long one try may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The longest pause between two tries to reconnect.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Commands that wait for the socket before callers wait instead.
const COMMANDS: usize = 4_096;
/// Messages that wait for one subscriber before the client drops them and says so.
const MESSAGES: usize = 65_536;
/// How long a plain request waits for its answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

/// Connects as `role` with the user and password given, and keeps reconnecting ever after.
pub(crate) async fn connect(
    settings: &Settings,
    role: &str,
    user: &str,
    password: &Secret,
) -> Result<Client, ConnectError> {
    let addresses = addresses(&settings.url)?;
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(20);
    loop {
        let options = options(settings, role, user, password)?;
        let source = match options.connect(addresses.as_slice()).await {
            Ok(client) => return Ok(client),
            Err(source) => source,
        };
        let url = settings.url.clone();
        let user = user.to_owned();
        if source.kind() == ConnectErrorKind::AuthorizationViolation {
            return Err(ConnectError::Forbidden { url, user });
        }
        if Instant::now() + pause >= deadline {
            return Err(ConnectError::Unreachable { url, user, source: source.into() });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

fn options(
    settings: &Settings,
    role: &str,
    user: &str,
    password: &Secret,
) -> Result<ConnectOptions, ConnectError> {
    let mut options = ConnectOptions::new()
        .name(format!("darkroom-{role}"))
        .custom_inbox_prefix(inbox_prefix(role))
        .connection_timeout(ATTEMPT)
        .request_timeout(Some(ANSWER))
        .client_capacity(COMMANDS)
        .subscription_capacity(MESSAGES)
        .ping_interval(Duration::from_secs(10))
        .max_reconnects(None)
        .reconnect_delay_callback(pause)
        .event_callback(report);
    if UserKey::of(password).is_some() {
        // It never leaves the process, which signs what the server asks of it instead.
        options = options.nkey(password.expose().to_owned());
    } else if !user.is_empty() {
        options = options.user_and_password(user.to_owned(), password.expose().to_owned());
    }
    if settings.url.contains("tls://") {
        options = options.require_tls(true);
    } else {
        // Peers that a plaintext server advertises may be beyond loopback.
        options = options.ignore_discovered_servers();
    }
    if let Some(file) = &settings.ca_file {
        std::fs::metadata(file).map_err(|source| ConnectError::Certificates {
            path: file.display().to_string(),
            source,
        })?;
        options = options.add_root_certificates(file.clone());
    }
    Ok(options)
}

/// Each role receives answers where no other role may listen.
pub(crate) fn inbox_prefix(role: &str) -> String {
    format!("_INBOX_{role}")
}

fn pause(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(6);
    let pause = (Duration::from_millis(40) * 2_u32.pow(doublings)).min(MAX_PAUSE);
    pause.mul_f64(rand::random_range(0.5..1.0))
}

async fn report(event: Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("disconnected from NATS; reconnecting"),
        Event::SlowConsumer(subscription) => {
            tracing::warn!(subscription, "a NATS subscriber lags; messages were dropped");
        }
        Event::ServerError(error) => tracing::error!(%error, "NATS server error"),
        Event::ClientError(error) => tracing::warn!(%error, "NATS client error"),
        event => tracing::debug!(%event, "NATS connection"),
    }
}

fn addresses(urls: &str) -> Result<Vec<ServerAddr>, ConnectError> {
    urls.split(',')
        .map(|url| {
            let url = url.trim();
            let address: ServerAddr =
                url.parse().map_err(|source: std::io::Error| ConnectError::Url {
                    // A URL that does not parse may still hold a password.
                    url: url.rsplit('@').next().unwrap_or_default().to_owned(),
                    source: source.into(),
                })?;
            if address.has_user_pass() {
                return Err(ConnectError::Credentials);
            }
            if address.scheme() != "tls" && !is_loopback(address.host()) {
                return Err(ConnectError::Plaintext { url: url.to_owned() });
            }
            Ok(address)
        })
        .collect()
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_is_for_loopback_alone() {
        for (url, accepted) in [
            ("nats://127.0.0.1:4222", true),
            ("nats://localhost:4222,nats://[::1]:4222", true),
            ("tls://nats.example.org:4222", true),
            ("nats://10.0.0.1:4222", false),
            ("nats://127.0.0.1:4222,nats://example.org", false),
            ("nats://127.0.0.1.example.org", false),
            ("ws://example.org", false),
            ("nats://u:p@127.0.0.1:4222", false),
        ] {
            assert_eq!(addresses(url).is_ok(), accepted, "{url}");
        }
    }
}
