//! E-mails, and other texts that begin with named lines.

use crate::filetype::Filetype;
use crate::kind::Kind;
use crate::text::Text;

/// Lines of a header looked at, at most.
const MOST_LINES: usize = 400;
/// So many known names make a mail, one of them telling.
const LEAST_NAMES: usize = 3;

const NAMES: &[&str] = &[
    "bcc",
    "cc",
    "content-disposition",
    "content-language",
    "content-transfer-encoding",
    "content-type",
    "date",
    "dkim-signature",
    "in-reply-to",
    "list-id",
    "list-unsubscribe",
    "mime-version",
    "received-spf",
    "references",
    "reply-to",
    "sender",
    "subject",
    "to",
    "user-agent",
    "x-mailer",
    "x-priority",
];
/// Those that no other kind of text has.
const TELLING: &[&str] = &["delivered-to", "from", "message-id", "received", "return-path"];

/// Looks for a header.
pub(crate) fn look(text: &Text<'_>) -> Option<Filetype> {
    for (start, media_type, extension) in [
        ("BEGIN:VCARD", "text/vcard", "vcf"),
        ("BEGIN:VCALENDAR", "text/calendar", "ics"),
        ("WEBVTT", "text/vtt", "vtt"),
    ] {
        if text.text.starts_with(start) {
            return Some(Filetype::of(Kind::Text, media_type, extension));
        }
    }
    let is_mailbox = text.text.starts_with("From ");
    let (mut known, mut telling, mut names) = (0, 0, 0);
    for line in text.text.lines().skip(usize::from(is_mailbox)).take(MOST_LINES) {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) && names > 0 {
            continue;
        }
        let (name, _) = line.split_once(':')?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let name = name.to_ascii_lowercase();
        names += 1;
        telling += usize::from(TELLING.contains(&name.as_str()));
        known += usize::from(NAMES.contains(&name.as_str()));
    }
    (telling > 0 && known + telling >= LEAST_NAMES).then(|| {
        if is_mailbox {
            Filetype::of(Kind::Mail, "application/mbox", "mbox")
        } else {
            Filetype::of(Kind::Mail, "message/rfc822", "eml")
        }
    })
}
