//! The judging of addresses: which ones strangers may make us speak to.

use std::net::IpAddr;

use crate::allow::AllowList;
use crate::own::OwnAddresses;
use crate::registry;
use crate::settings::Settings;

/// Why an address or port is refused. For operators; tenants are told the same text whatever the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// 127.0.0.0/8, ::1.
    #[error("loopback")]
    Loopback,
    /// 169.254.0.0/16, fe80::/10, and the old site-local fec0::/10.
    #[error("link-local")]
    LinkLocal,
    /// Where clouds answer with credentials, in every spelling.
    #[error("cloud metadata")]
    Metadata,
    /// 0.0.0.0/8, ::.
    #[error("unspecified")]
    Unspecified,
    /// Multicast.
    #[error("multicast")]
    Multicast,
    /// Another special-purpose or unassigned block.
    #[error("reserved block")]
    Reserved,
    /// 6to4, Teredo and ISATAP: an IPv6 address that a tunnel turns into an IPv4 one.
    #[error("tunnel that embeds another address")]
    Embedding,
    /// RFC 1918.
    #[error("private network")]
    Private,
    /// 100.64.0.0/10.
    #[error("carrier-grade NAT")]
    SharedSpace,
    /// fc00::/7.
    #[error("unique local network")]
    UniqueLocal,
    /// An address of one of this machine's own interfaces.
    #[error("own interface")]
    OwnAddress,
    /// Named in the operator's deny list.
    #[error("denied by the operator")]
    Denied,
    /// A port that is not on the list.
    #[error("port not on the list")]
    Port,
}

/// What it takes to lift a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Nothing lifts it, except that an allow-list entry within the loopback block admits loopback.
    Forbidden,
    /// Any allow-list entry that covers the address admits it.
    Private,
    /// An allow-list entry that names the port admits it there.
    Port,
}

impl Reason {
    /// What it takes to lift this refusal.
    #[must_use]
    pub const fn tier(self) -> Tier {
        match self {
            Self::Loopback
            | Self::LinkLocal
            | Self::Metadata
            | Self::Unspecified
            | Self::Multicast
            | Self::Reserved
            | Self::Embedding
            | Self::Denied => Tier::Forbidden,
            Self::Private | Self::SharedSpace | Self::UniqueLocal | Self::OwnAddress => {
                Tier::Private
            }
            Self::Port => Tier::Port,
        }
    }
}

/// Judges addresses by the registries, this machine's own interfaces and the operator's lists.
#[derive(Debug)]
pub struct Guard {
    allow: AllowList,
    deny: AllowList,
    ports: Vec<u16>,
    own: OwnAddresses,
}

impl Guard {
    /// A guard under the operator's `settings` that also refuses the machine's `own` addresses.
    #[must_use]
    pub fn new(settings: &Settings, own: Vec<IpAddr>) -> Self {
        Self::watching(settings, OwnAddresses::fixed(own))
    }

    pub(crate) fn watching(settings: &Settings, own: OwnAddresses) -> Self {
        Self {
            allow: settings.allow.clone(),
            deny: settings.deny.clone(),
            ports: settings.ports.clone(),
            own,
        }
    }

    /// Whether strangers may make us connect to `ip` at `port`, and if not, why not.
    pub fn judge(&self, ip: IpAddr, port: u16) -> Result<(), Reason> {
        let ip = registry::effective(ip);
        if self
            .deny
            .entries()
            .iter()
            .any(|entry| entry.covers(ip) && entry.port().is_none_or(|p| p == port))
        {
            return Err(Reason::Denied);
        }
        let special =
            registry::special(ip).or_else(|| self.own.holds(ip).then_some(Reason::OwnAddress));
        match special {
            None if self.ports.contains(&port) => Ok(()),
            None if self.admits(ip, port, false) => Ok(()),
            None => Err(Reason::Port),
            Some(Reason::Loopback) if self.admits(ip, port, true) => Ok(()),
            Some(reason) if reason.tier() == Tier::Private && self.admits(ip, port, false) => {
                Ok(())
            }
            Some(reason) => Err(reason),
        }
    }

    /// Whether any address at all could be admitted at `port`: spares a DNS query for one that never could.
    #[must_use]
    pub fn knows_port(&self, port: u16) -> bool {
        self.ports.contains(&port)
            || self.allow.entries().iter().any(|entry| entry.port() == Some(port))
    }

    /// Looks at the machine's interfaces again if the last look was a while ago.
    pub(crate) fn refresh(&self) {
        self.own.refresh();
    }

    fn admits(&self, ip: IpAddr, port: u16, naming_loopback: bool) -> bool {
        self.allow.entries().iter().any(|entry| {
            entry.covers(ip)
                && (!naming_loopback || entry.network().is_loopback())
                && match entry.port() {
                    Some(named) => named == port,
                    None => self.ports.contains(&port),
                }
        })
    }
}
