//! Mails: who, what, and what is attached.

use super::*;

const MAIL: &str = "From: \"Ada Lovelace\" <ada@example.org>\r\n\
To: Charles <charles@example.org>, grace@example.org\r\n\
Cc: list@example.org\r\n\
Subject: =?utf-8?q?Notes_=E2=80=94_please_read?=\r\n\
Date: Tue, 10 Nov 2026 09:12:33 +0100\r\n\
Message-ID: <abc@example.org>\r\n\
MIME-Version: 1.0\r\n\
Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n\
--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
<style>p { color: red }</style><p>Dear <b>all</b>,</p><ul><li>one<li>two</ul>\
<img src=\"http://tracker.example/x.png\"><script>alert(1)</script>\r\n\
--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"notes.pdf\"\r\n\
Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n--b--\r\n";

#[test]
fn a_mail_tells_who_wrote_what_to_whom() {
    let (page, about) = first(MAIL.as_bytes(), "mail");
    assert_eq!(about["subject"], "Notes \u{2014} please read");
    assert_eq!(about["from"][0]["name"], "Ada Lovelace");
    assert_eq!(about["to"][1]["address"], "grace@example.org");
    assert_eq!(about["cc"][0]["address"], "list@example.org");
    assert_eq!(about["date"], "2026-11-10T09:12:33+01:00");
    assert_eq!(about["message_id"], "abc@example.org");
    assert_eq!(about["body"], "html");
    let attachment = &about["attachments"][0];
    assert_eq!(attachment["name"], "notes.pdf");
    assert_eq!(attachment["media_type"], "application/pdf");
    assert_eq!(attachment["size"], 9);
    assert!(ink(&page, (9, 6, 60, 10)) > 300, "the subject");
    assert!(ink(&page, (9, 10, 60, 20)) > 800, "the header");
}

#[test]
fn what_a_mail_says_is_told() {
    let (shown, drawn) = Job::new().run(MAIL.as_bytes()).unwrap();
    let text = drawn.metadata["ocr"][0]["text"].as_str().unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Notes \u{2014} please read");
    assert_eq!(lines[1], "From Ada Lovelace <ada@example.org>");
    assert!(text.contains("\nDear all,\n"), "{text}");
    assert!(shown.to_read.is_empty());
}

#[test]
fn a_mailbox_shows_its_first_mail() {
    let mailbox = format!(
        "From ada Tue Nov 10\n{}\nFrom grace Wed Nov 11\nSubject: second\n\nb\n",
        MAIL.replace("\r\n", "\n")
    );
    let (_, about) = first(mailbox.as_bytes(), "mail");
    assert_eq!(about["message_id"], "abc@example.org");
}

#[test]
fn a_plain_mail_keeps_its_lines_and_quotes() {
    let plain =
        "From: a@b.c\nTo: d@e.f\nSubject: s\n\nHello,\n\n> you wrote\n>> I wrote\n\nBye\n-- \nA\n";
    let (page, about) = first(plain.as_bytes(), "mail");
    assert_eq!(about["body"], "plain");
    assert!(ink(&page, (9, 15, 60, 40)) > 300);
}
