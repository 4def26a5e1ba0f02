//! What the IANA registries, and clouds beside them, say about an address: the tables behind the guard.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::guard::Reason;

/// One IPv4 block: base, prefix length, why it is not the public internet.
type V4 = (Ipv4Addr, u8, Reason);
type V6 = (Ipv6Addr, u8, Reason);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const fn v6(head: [u16; 4], tail: [u16; 4]) -> Ipv6Addr {
    let ([a, b, c, d], [e, f, g, h]) = (head, tail);
    Ipv6Addr::new(a, b, c, d, e, f, g, h)
}

/// Every IPv4 block of the special-purpose registry, multicast, class E and the clouds' own addresses.
/// The first match decides, so single addresses stand before the blocks that hold them.
const V4_BLOCKS: &[V4] = &[
    (v4(169, 254, 169, 254), 32, Reason::Metadata),
    (v4(169, 254, 170, 2), 32, Reason::Metadata),
    (v4(168, 63, 129, 16), 32, Reason::Metadata),
    (v4(100, 100, 100, 200), 32, Reason::Metadata),
    (v4(192, 0, 0, 192), 32, Reason::Metadata),
    (v4(0, 0, 0, 0), 8, Reason::Unspecified),
    (v4(10, 0, 0, 0), 8, Reason::Private),
    (v4(100, 64, 0, 0), 10, Reason::SharedSpace),
    (v4(127, 0, 0, 0), 8, Reason::Loopback),
    (v4(169, 254, 0, 0), 16, Reason::LinkLocal),
    (v4(172, 16, 0, 0), 12, Reason::Private),
    (v4(192, 0, 0, 0), 24, Reason::Reserved),
    (v4(192, 0, 2, 0), 24, Reason::Reserved),
    (v4(192, 31, 196, 0), 24, Reason::Reserved),
    (v4(192, 52, 193, 0), 24, Reason::Reserved),
    (v4(192, 88, 99, 0), 24, Reason::Reserved),
    (v4(192, 168, 0, 0), 16, Reason::Private),
    (v4(192, 175, 48, 0), 24, Reason::Reserved),
    (v4(198, 18, 0, 0), 15, Reason::Reserved),
    (v4(198, 51, 100, 0), 24, Reason::Reserved),
    (v4(203, 0, 113, 0), 24, Reason::Reserved),
    (v4(224, 0, 0, 0), 4, Reason::Multicast),
    (v4(240, 0, 0, 0), 4, Reason::Reserved),
];

/// IPv6 likewise. Whatever lies outside 2000::/3 is refused even if no line names it.
const V6_BLOCKS: &[V6] = &[
    (v6([0xfd00, 0x0ec2, 0, 0], [0, 0, 0, 0x0254]), 128, Reason::Metadata),
    (v6([0xfd00, 0x0ec2, 0, 0], [0, 0, 0, 0x0023]), 128, Reason::Metadata),
    (v6([0xfd20, 0x00ce, 0, 0], [0, 0, 0, 0x0254]), 128, Reason::Metadata),
    (v6([0, 0, 0, 0], [0, 0, 0, 0]), 128, Reason::Unspecified),
    (v6([0, 0, 0, 0], [0, 0, 0, 1]), 128, Reason::Loopback),
    (v6([0, 0, 0, 0], [0, 0, 0, 0]), 8, Reason::Reserved),
    (v6([0x2001, 0, 0, 0], [0, 0, 0, 0]), 32, Reason::Embedding),
    (v6([0x2001, 0, 0, 0], [0, 0, 0, 0]), 23, Reason::Reserved),
    (v6([0x2001, 0x0db8, 0, 0], [0, 0, 0, 0]), 32, Reason::Reserved),
    (v6([0x2002, 0, 0, 0], [0, 0, 0, 0]), 16, Reason::Embedding),
    (v6([0x2620, 0x004f, 0x8000, 0], [0, 0, 0, 0]), 48, Reason::Reserved),
    (v6([0x3fff, 0, 0, 0], [0, 0, 0, 0]), 20, Reason::Reserved),
    (v6([0xfc00, 0, 0, 0], [0, 0, 0, 0]), 7, Reason::UniqueLocal),
    (v6([0xfe80, 0, 0, 0], [0, 0, 0, 0]), 10, Reason::LinkLocal),
    (v6([0xfec0, 0, 0, 0], [0, 0, 0, 0]), 10, Reason::LinkLocal),
    (v6([0xff00, 0, 0, 0], [0, 0, 0, 0]), 8, Reason::Multicast),
];

/// 64:ff9b::/96, whose last 32 bits are the IPv4 address that the packet will reach.
const NAT64: Ipv6Addr = v6([0x0064, 0xff9b, 0, 0], [0, 0, 0, 0]);
const NAT64_BITS: u8 = 96;
/// Global unicast as far as it has been given out.
const GLOBAL_UNICAST: Ipv6Addr = v6([0x2000, 0, 0, 0], [0, 0, 0, 0]);
const GLOBAL_UNICAST_BITS: u8 = 3;
/// The upper half of an ISATAP interface id, without its universal and group bits.
const ISATAP: u64 = 0x0000_5efe;
const ISATAP_MASK: u64 = 0xfcff_ffff;

/// The address that packets to `ip` reach: IPv4-mapped and NAT64 addresses stand for the IPv4 address inside.
pub(crate) fn effective(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(six) if v6_within(six, NAT64, NAT64_BITS) => {
            let [.., a, b, c, d] = six.octets();
            IpAddr::V4(v4(a, b, c, d))
        }
        other => other,
    }
}

/// Why `ip` is not an address of the public internet; `None` if it is one.
pub(crate) fn special(ip: IpAddr) -> Option<Reason> {
    match effective(ip) {
        IpAddr::V4(four) => V4_BLOCKS
            .iter()
            .find(|(base, bits, _)| v4_within(four, *base, *bits))
            .map(|(.., reason)| *reason),
        IpAddr::V6(six) => V6_BLOCKS
            .iter()
            .find(|(base, bits, _)| v6_within(six, *base, *bits))
            .map(|(.., reason)| *reason)
            .or_else(|| {
                (!v6_within(six, GLOBAL_UNICAST, GLOBAL_UNICAST_BITS)).then_some(Reason::Reserved)
            })
            .or_else(|| is_isatap(six).then_some(Reason::Embedding)),
    }
}

fn is_isatap(ip: Ipv6Addr) -> bool {
    let interface = ip.to_bits() as u64;
    (interface >> 32) & ISATAP_MASK == ISATAP
}

/// Whether `ip` lies in the block of `bits` leading bits at `base`.
pub(crate) fn v4_within(ip: Ipv4Addr, base: Ipv4Addr, bits: u8) -> bool {
    let differing = ip.to_bits() ^ base.to_bits();
    differing.leading_zeros() >= u32::from(bits)
}

/// Whether `ip` lies in the block of `bits` leading bits at `base`.
pub(crate) fn v6_within(ip: Ipv6Addr, base: Ipv6Addr, bits: u8) -> bool {
    let differing = ip.to_bits() ^ base.to_bits();
    differing.leading_zeros() >= u32::from(bits)
}
