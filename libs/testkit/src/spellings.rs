//! Every way to write an address in a URL that some client, resolver or tunnel understands, and the
//! addresses that strangers must not make us call.
//!
//! After what is collected in the wild (parser confusions, decimal, octal and hexadecimal hosts,
//! characters that normalise to digits, tunnels that embed another address); all of it is made here.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

/// Addresses that nobody may be led to, one of each kind.
pub const FORBIDDEN_V4: [Ipv4Addr; 20] = [
    Ipv4Addr::new(127, 0, 0, 1),
    Ipv4Addr::new(127, 8, 9, 10),
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 7, 7),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(10, 0, 0, 1),
    Ipv4Addr::new(172, 16, 0, 1),
    Ipv4Addr::new(172, 31, 255, 254),
    Ipv4Addr::new(192, 168, 1, 1),
    Ipv4Addr::new(100, 64, 0, 1),
    Ipv4Addr::new(0, 0, 0, 0),
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv4Addr::new(198, 18, 0, 1),
    Ipv4Addr::new(203, 0, 113, 9),
    Ipv4Addr::new(224, 0, 0, 1),
    Ipv4Addr::new(240, 0, 0, 1),
    Ipv4Addr::new(255, 255, 255, 255),
];

/// The same of IPv6, as literals.
pub const FORBIDDEN_V6: [&str; 24] = [
    "::1",
    "0:0:0:0:0:0:0:1",
    "::",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "100::1",
    "100:0:0:1::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2620:4f:8000::1",
    "4000::1",
    "64:ff9b:1::1",
];

/// Short forms that old parsers complete.
const ABBREVIATED: [&str; 9] =
    ["127.1", "127.0.1", "0", "0x0", "00", "0177.1", "0x7f.1", "017700000001", "0x7f000001."];

/// A run of digits that normalise to ASCII ones, by its first.
const LOOKALIKE_DIGITS: [RangeInclusive<char>; 4] = [
    '\u{ff10}'..='\u{ff19}',
    '\u{1d7ce}'..='\u{1d7d7}',
    '\u{1d7f6}'..='\u{1d7ff}',
    '\u{1fbf0}'..='\u{1fbf9}',
];

/// The hosts in which `four` can be written.
#[must_use]
pub fn of(four: Ipv4Addr) -> Vec<String> {
    let mut all = numbers(four);
    all.extend(letters(four));
    all.extend(embedded(four));
    all
}

/// Bases, lengths and paddings of numbers.
fn numbers(four: Ipv4Addr) -> Vec<String> {
    let n = four.to_bits();
    let [a, b, c, d] = four.octets();
    let (low16, low24) = (n & 0xffff, n & 0xff_ffff);
    vec![
        four.to_string(),
        format!("{four}."),
        n.to_string(),
        format!("{n:#x}"),
        format!("{n:#X}"),
        format!("0x{n:016x}"),
        format!("0{n:o}"),
        format!("0000{n:o}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("0X{a:02X}.0X{b:02X}.0X{c:02X}.0X{d:02X}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a:04o}.{b:04o}.{c:04o}.{d:04o}"),
        format!("0{a:010o}.0{b:010o}.0{c:010o}.0{d:010o}"),
        format!("{a:#x}.{b}.0{c:o}.{d}"),
        format!("0{a:o}.{b:#x}.{c}.0{d:o}"),
        format!("{a}.{b}.{low16}"),
        format!("{a}.{low24}"),
        format!("{a:#x}.{low24:#x}"),
        format!("0{a:o}.{b}.0{low16:o}"),
        // Beyond what fits: some parsers cut off what is too much.
        format!("{}", u64::from(n) + (1 << 32)),
        format!("{:#x}", u64::from(n) + (1 << 40)),
        format!(
            "{}.{}.{}.{}",
            u16::from(a) + 256,
            u16::from(b) + 256,
            u16::from(c) + 256,
            u16::from(d) + 256
        ),
        format!("{four}.."),
        format!("{a}.{b}.{c}.{d}.0"),
    ]
}

/// Characters that become others on the way.
fn letters(four: Ipv4Addr) -> Vec<String> {
    let plain = four.to_string();
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let mut all: Vec<String> = LOOKALIKE_DIGITS
        .iter()
        .map(|digits| {
            let like = |char: char| match char.to_digit(10) {
                Some(digit) => digits.clone().nth(digit as usize).unwrap(),
                None => char,
            };
            plain.chars().map(like).collect()
        })
        .collect();
    let [a, b, c, d] = four.octets();
    all.extend([
        percent(&plain),
        plain.replace('.', "%2e"),
        plain.replace('.', "\u{3002}"),
        plain.replace('.', "\u{ff0e}"),
        plain.replace('.', "\u{ff61}"),
        format!("{a}\u{ad}.{b}.{c}.{d}"),
        format!("{a}.{b}\u{200b}.{c}.{d}"),
        format!("{a}.\t{b}.{c}.{d}"),
        format!("{a}.{b}.\n{c}.{d}"),
        superscript(&plain),
    ]);
    all
}

fn superscript(plain: &str) -> String {
    const DIGITS: [char; 10] = [
        '\u{2070}', '\u{b9}', '\u{b2}', '\u{b3}', '\u{2074}', '\u{2075}', '\u{2076}', '\u{2077}',
        '\u{2078}', '\u{2079}',
    ];
    plain
        .chars()
        .map(|char| char.to_digit(10).map_or(char, |digit| DIGITS[digit as usize]))
        .collect()
}

/// IPv6 addresses that hold it: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP.
fn embedded(four: Ipv4Addr) -> Vec<String> {
    let n = four.to_bits();
    let (high, low, not) = (n >> 16, n & 0xffff, !n);
    let hex = format!("{high:x}:{low:x}");
    vec![
        format!("[::ffff:{four}]"),
        format!("[::ffff:{hex}]"),
        format!("[::FFFF:{hex}]"),
        format!("[0:0:0:0:0:FFFF:{hex}]"),
        format!("[0000:0000:0000:0000:0000:ffff:{four}]"),
        format!("[::{four}]"),
        format!("[::{hex}]"),
        format!("[::ffff:0:{hex}]"),
        format!("[64:ff9b::{four}]"),
        format!("[64:ff9b::{hex}]"),
        format!("[0064:ff9b:0:0:0:0:{hex}]"),
        format!("[64:ff9b:1::{hex}]"),
        format!("[64:ff9b:1:{:x}:{:x}:{:x}::]", high, low >> 8, (low & 0xff) << 8),
        format!("[2002:{hex}::1]"),
        format!("[2002:{hex}:1:2:3:4:5]"),
        format!("[2001:0:4136:e378:8000:63bf:{:x}:{:x}]", not >> 16, not & 0xffff),
        format!("[2001:0:{hex}::1]"),
        format!("[2a00:1450::5efe:{hex}]"),
        format!("[2a00:1450::200:5efe:{hex}]"),
        format!("[fe80::5efe:{hex}]"),
    ]
}

/// What stands between `http://` and the path, and leads to where nobody may be led: more than five
/// hundred.
#[must_use]
pub fn forbidden() -> Vec<String> {
    let mut all: Vec<String> = FORBIDDEN_V4.iter().flat_map(|four| of(*four)).collect();
    all.extend(FORBIDDEN_V6.iter().map(|six| format!("[{six}]")));
    all.extend(ABBREVIATED.map(str::to_owned));
    for four in FORBIDDEN_V4 {
        all.push(format!("{four}:80"));
        all.push(format!("{four}:443"));
        all.push(format!("[::ffff:{four}]:8080"));
        all.push(format!("user:password@{four}"));
        all.push(format!("public.test@{four}"));
        all.push(format!("public.test:80@{four}:8080"));
        all.push(format!("public.test%20@{four}"));
        all.push(format!("a@b@{four}"));
    }
    all
}

/// URLs after the scheme in which one of two hosts hides behind the other, so that two parsers may
/// see one each: both orders, with `public` a name that may be called.
#[must_use]
pub fn confusing(public: &str, four: Ipv4Addr) -> Vec<String> {
    vec![
        format!("//{public}\\@{four}/"),
        format!("//{public}#@{four}/"),
        format!("//{public}?@{four}/"),
        format!("//{public}/@{four}/"),
        format!("//{four}\\@{public}/"),
        format!("//{four}#@{public}/"),
        format!("//{four}?@{public}/"),
        format!("//{four}/@{public}/"),
        format!("//{four}:80\\@@{public}:80/"),
        format!("//{public}:80@{four}:80@{public}/"),
        format!("//{four}:80@{public}:80@{four}/"),
        format!("//{public}&@{four}# @{public}/"),
        format!("//{four}&@{public}# @{four}/"),
        format!("//{public}:80:{four}/"),
        format!("//{four}%00.{public}/"),
        format!("//{four}%0d%0aHost:%20{public}/"),
        format!("//{four}%23.{public}/"),
        format!("//{four}\u{ff03}.{public}/"),
        format!("//{four}\u{ff0f}.{public}/"),
        format!("//{four}\u{2100}.{public}/"),
        format!("//[::ffff:{four}%25.{public}]/"),
        format!("//[fe80::1%25lo]:80@{public}\\@{four}/"),
        format!("\\\\{four}\\{public}/"),
        format!("/\\{four}/{public}"),
        format!("///{four}/{public}"),
        format!("//{four} {public}/"),
        format!("{four}/{public}"),
        format!("//{public}:{four}/"),
    ]
}

/// What a name server may answer to lead us astray: each forbidden address as it is, as IPv6 holds
/// it, and before and behind `public`, which may be called.
#[must_use]
pub fn answers(public: IpAddr) -> Vec<Vec<IpAddr>> {
    let mut hidden = Vec::new();
    for four in FORBIDDEN_V4 {
        let n = u128::from(four.to_bits());
        let six = |bits: u128| IpAddr::V6(Ipv6Addr::from_bits(bits));
        hidden.extend([
            IpAddr::V4(four),
            six((0xffff << 32) | n),
            six((0x0064_ff9b << 96) | n),
            six((0x2002 << 112) | (n << 80) | 1),
            six((0x2001_0000 << 96) | (n ^ 0xffff_ffff)),
            six((0x2a00_1450 << 96) | (0x5efe << 32) | n),
        ]);
    }
    hidden.extend(FORBIDDEN_V6.iter().map(|text| text.parse::<IpAddr>().unwrap()));
    let among = |address| [vec![address], vec![public, address], vec![address, public]];
    hidden.into_iter().flat_map(among).collect()
}
